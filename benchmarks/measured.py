"""What is measured, as functions that another implementation can have too: full-size v2 models, seeded random weights.

v4 is full size too. Each takes the inputs of `inputs()` and how often to repeat, and returns seconds and CPU seconds of
each time and what came out, or why it is "unavailable" here. `weights`, where given, are the state dicts to load
instead of random ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from voicemill.gpt_sovits.flow_matching.dit import BANDS, DitSizes
from voicemill.gpt_sovits.flow_matching.model import MelGenerator
from voicemill.gpt_sovits.flow_matching.sampling import sample
from voicemill.gpt_sovits.formats.vocoders import normed
from voicemill.gpt_sovits.gpt.config import GptConfig
from voicemill.gpt_sovits.gpt.data import Batch as GptBatch
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.decoding import generate
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.gpt.recipe import GptRecipe
from voicemill.gpt_sovits.gpt.training import Trainer as GptTrainer
from voicemill.gpt_sovits.kernels.linear import Weights
from voicemill.gpt_sovits.kernels.packed_vocoder import has_bfloat16, pack_vocoder
from voicemill.gpt_sovits.noise import seeded_noise
from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.sovits.data import Batch
from voicemill.gpt_sovits.sovits.discriminator import Discriminator
from voicemill.gpt_sovits.sovits.layers import fold_weight_norm
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.sovits.training import Trainer
from voicemill.gpt_sovits.sovits.vocoder import Vocoder, VocoderSizes
from voicemill.gpt_sovits.synthesis.mel_sound import MelSound
from voicemill.gpt_sovits.training.run_state import Precision

CPU = torch.device("cpu")
Result = dict[str, Any]
StateDicts = dict[str, dict[str, Tensor]]


def inputs(task: str) -> dict[str, Any]:
    """Inputs of a task: `s1_*` the token model (1 line, 100 phones, 150 prompt tokens), `s2_*` SoVITS."""
    rng = torch.Generator().manual_seed(20240)

    def integers(below: int, *shape: int) -> Tensor:
        return torch.randint(0, below, shape, generator=rng)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    if task.startswith("s1_infer"):
        given = {"phones": integers(732, 1, 100), "bert": normal(1, 1024, 100) * 0.3}
        return given | {"prompt": integers(1024, 1, 150), "n_tokens": 200}
    if task.startswith("s2_decode"):
        return {
            "codes": integers(1024, 1, 1, 200),
            "text": integers(732, 1, 100),
            "refer": normal(1, 1025, 250).abs(),
        }
    if task.startswith("v4"):
        given = {"codes": integers(1024, 1, 1, 100), "text": integers(732, 1, 50), "refer": normal(1, 1025, 150).abs()}
        known = {"prompt_features": normal(1, 512, 300), "prompt_mel": normal(1, 100, 300).clamp(-1, 1)}
        return given | known | {"steps": 8}
    if task.startswith("s2_train"):
        T = 200
        return {
            "ssl": normal(2, 768, T) * 0.3,
            "spec": normal(2, 1025, T).abs(),
            "spec_len": torch.tensor([T, T - 20]),
            "wav": normal(2, 1, T * 640).clamp(-1, 1) * 0.1,
            "text": integers(732, 2, 60),
            "text_len": torch.tensor([60, 50]),
        }
    return {
        "x": integers(732, 4, 100),
        "xl": torch.tensor([100, 90, 80, 95]),
        "y": integers(1024, 4, 300),
        "yl": torch.tensor([300, 280, 260, 290]),
        "bert": normal(4, 1024, 100) * 0.3,
    }


def repeated(work: Callable[[], Any], repeat: int) -> tuple[Any, Result]:
    """Do it again and again: the last answer, and the seconds of each time."""
    seconds, cpu_seconds, answer = [], [], None
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        answer = work()
        seconds.append(time.perf_counter() - wall)
        cpu_seconds.append(time.process_time() - cpu)
    return answer, {"seconds": seconds, "cpu_seconds": cpu_seconds}


def _gpt(weights: StateDicts | None) -> Gpt:
    torch.manual_seed(7)
    model = Gpt(GptConfig()).eval()
    if weights:
        model.load_state_dict(weights["gpt"])
    return model


def _speak(given: dict[str, Any], repeat: int, form: Weights, rows: int, weights: StateDicts | None) -> Result:
    model = _gpt(weights)
    # EOS never has the best score: every run is as long as asked.
    model.ar_predict_layer.weight.data[model.config.eos] = 0
    decoder = Decoder(model, form)
    del model

    def speak(tokens: int) -> list[Tensor]:
        return generate(
            decoder,
            [given["phones"][0]] * rows,
            [given["bert"][0]] * rows,
            [given["prompt"][0]] * rows,
            Sampling(top_k=1),
            max_tokens=[tokens] * rows,
            seeds=[0] * rows,
        )

    speak(15)
    spoken, result = repeated(lambda: speak(given["n_tokens"]), repeat)
    count = sum(map(len, spoken))
    rate = [count / seconds for seconds in result["seconds"]]
    return result | {"tokens": count, "tokens_per_s": rate, "answer": spoken[0].tolist()}


def s1_infer(given: dict[str, Any], repeat: int, weights: StateDicts | None = None) -> Result:
    """Return one line, fp32, greedy."""
    return _speak(given, repeat, "packed", 1, weights)


def s1_infer_fp16(given: dict[str, Any], repeat: int, weights: StateDicts | None = None) -> Result:
    """Return one line, float16 weights, as every weights file has them."""
    return _speak(given, repeat, "fp16", 1, weights)


def s1_infer_int8(given: dict[str, Any], repeat: int, weights: StateDicts | None = None) -> Result:
    """Return one line, int8 weights."""
    return _speak(given, repeat, "int8", 1, weights)


def s1_infer_batch(given: dict[str, Any], repeat: int, weights: StateDicts | None = None) -> Result:
    """Sixteen lines together, fp32."""
    return _speak(given, repeat, "packed", 16, weights)


def s1_infer_batch_fp16(given: dict[str, Any], repeat: int, weights: StateDicts | None = None) -> Result:
    """Sixteen lines together, float16 weights."""
    return _speak(given, repeat, "fp16", 16, weights)


def _decode(given: dict[str, Any], repeat: int, dtype: torch.dtype, weights: StateDicts | None) -> Result:
    torch.manual_seed(7)
    model = Generator(SovitsConfig())
    if weights:
        model.load_state_dict(weights["generator"])
    model = model.for_inference()
    pack_vocoder(model, dtype)
    model.decode(given["codes"][:, :, :20], given["text"], [given["refer"]])
    torch.manual_seed(1)
    wav, result = repeated(lambda: model.decode(given["codes"], given["text"], [given["refer"]]), repeat)
    audio = wav.shape[-1] / 32000
    return result | {"audio_s": audio, "real_time_factor": [seconds / audio for seconds in result["seconds"]]}


def s2_decode(given: dict[str, Any], repeat: int, weights: StateDicts | None = None) -> Result:
    """8 s of sound, fp32."""
    return _decode(given, repeat, torch.float32, weights)


def s2_decode_bf16(given: dict[str, Any], repeat: int, weights: StateDicts | None = None) -> Result:
    """8 s of sound, the vocoder in bfloat16."""
    if not has_bfloat16():
        return {"unavailable": "the processor has no bfloat16"}
    return _decode(given, repeat, torch.bfloat16, weights)


@torch.inference_mode()
def v4_speak(given: dict[str, Any], repeat: int, weights: StateDicts | None = None) -> Result:
    """4 s of sound of v4: features, mel in 8 steps after 3 s of prompt, vocoder."""
    torch.manual_seed(7)
    model = MelGenerator(SovitsConfig.of("v4"), DitSizes())
    vocoder = Vocoder(VocoderSizes(BANDS, 512, (10, 6, 2, 2, 2), (20, 12, 4, 4, 4), final_bias=True)).eval()
    if weights:
        model.load_state_dict(normed(weights["generator"], model))
        vocoder.load_state_dict(normed(weights["vocoder"], vocoder))
    model = model.for_inference()
    fold_weight_norm(vocoder)
    model.dec = vocoder
    pack_vocoder(model)
    sound = MelSound(model, seeded_noise, nullcontext)
    speaker = model.speaker(given["refer"])

    def speak() -> Tensor:
        spoken = model.features(given["codes"], given["text"], speaker)
        features = torch.cat([given["prompt_features"], spoken], dim=2)
        torch.manual_seed(1)
        noise = torch.randn(1, BANDS, features.shape[-1])
        mel = sample(model.estimator, features, given["prompt_mel"], noise, given["steps"])
        return sound.vocode(mel[..., given["prompt_mel"].shape[-1] :])

    wav, result = repeated(speak, repeat)
    return result | {"audio_s": wav.shape[-1] / sound.rate, "sketch": sketch(wav)}


def sketch(wav: Tensor) -> list[float]:
    """Return a few hundred samples of a sound, by which two are compared."""
    return wav.flatten()[::1000].tolist()


def s2_train(given: dict[str, Any], repeat: int, weights: StateDicts | None = None) -> Result:
    """Return a training step of generator and discriminator, 2 clips of 4 s."""
    torch.manual_seed(7)
    generator, discriminator = Generator(SovitsConfig()), Discriminator(SovitsConfig().discriminator_periods)
    if weights:
        generator.load_state_dict(weights["generator"])
        discriminator.load_state_dict(weights["discriminator"])
    trainer = Trainer(generator, discriminator, SovitsRecipe(batch_size=2), Precision("fp32", CPU))
    batch = Batch(given["ssl"], given["spec"], given["spec_len"], given["wav"], given["text"], given["text_len"])
    trainer.step(batch)
    losses, result = repeated(lambda: trainer.step(batch), repeat)
    return result | {"loss": losses.generator}


def s1_train(given: dict[str, Any], repeat: int, weights: StateDicts | None = None) -> Result:
    """Return a training step of the token model, 4 clips of 12 s."""
    model = _gpt(weights).train()
    trainer = GptTrainer(model, GptRecipe(batch_size=4), Precision("fp32", CPU), micro_batch=4)
    batch = GptBatch(given["x"], given["xl"], given["y"], given["yl"], given["bert"])

    def step() -> float:
        before = trainer.sums.loss
        trainer.add(batch)
        trainer.update()
        return trainer.sums.loss - before

    step()
    loss, result = repeated(step, repeat)
    return result | {"loss": loss}
