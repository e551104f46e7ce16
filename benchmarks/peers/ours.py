"""voicemill itself; variants fp32, bf16, int8, and onnx-fp32 and onnx-int8 for a voice of ONNX graphs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voicemill.gpt_sovits.features.spectrogram import linear_spectrogram
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.gpt.choosing import TokenDecoder
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.decoding import generate
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.kernels.linear import weights_for
from voicemill.gpt_sovits.kernels.packed_vocoder import pack_vocoder
from voicemill.gpt_sovits.noise import seeded_noise
from voicemill.gpt_sovits.sovits.model import Generator

Speak = Callable[[Tensor, Tensor, Tensor], int]
"""Tokens `[1, 1, T]`, phones `[1, P]` and the speaker embedding `[1, G, 1]` -> samples made."""


def load(folder: Path, given: dict[str, np.ndarray], threads: int, variant: str) -> dict[str, Callable[[], int]]:
    """Return the tasks: `tokens` speaks a line's tokens, `sound` makes sound of tokens."""
    torch.set_num_threads(threads)
    tensors = {name: torch.from_numpy(value) for name, value in given.items()}
    generator = checkpoints.build_generator(checkpoints.load_sovits(folder / "sovits.pth"))
    if variant.startswith("onnx"):
        speak = _graph(generator, variant)
    else:
        # As `Synthesizer` has it: a coarser precision takes the vocoder with it.
        pack_vocoder(generator, torch.float32 if variant.endswith("fp32") else torch.bfloat16)
        speak = _model(generator)
    decoder = _decoder(folder / "gpt.ckpt", variant)
    phones_X = torch.cat([tensors["ref_phones"], tensors["phones"]])
    bert_CX = torch.cat([tensors["ref_bert"], tensors["bert"]]).T.contiguous()
    count = int(given["count"])
    spectrogram = linear_spectrogram(tensors["audio"][None])

    def tokens() -> int:
        prompt_Y = generator.extract_codes(tensors["ssl"])[0, 0]
        sampling = Sampling(top_k=15)
        spoken = generate(decoder, [phones_X], [bert_CX], [prompt_Y], sampling, max_tokens=[count], seeds=[1])
        return len(spoken[0])

    def sound() -> int:
        with torch.inference_mode():
            return speak(tensors["tokens"][None, None], tensors["phones"][None], generator.reference([spectrogram]))

    return {"tokens": tokens, "sound": sound}


def _model(generator: Generator) -> Speak:
    return lambda tokens_11T, phones_1P, g_1G1: generator.speak(tokens_11T, phones_1P, g_1G1).shape[-1]


def _graph(generator: Generator, variant: str) -> Speak:
    """As `voices export --onnx` writes it, with ranges of two other sounds where it is in int8."""
    from benchmarks.int8_sound import inputs
    from voicemill.gpt_sovits.onnx.acoustic_graph import acoustic_graph
    from voicemill.gpt_sovits.onnx.calibration import quantize_vocoder
    from voicemill.gpt_sovits.onnx.quantization import in_weights
    from voicemill.gpt_sovits.onnx.session import session

    config, graph = generator.config, acoustic_graph(generator)

    def given(tokens_11T: Tensor, phones_1P: Tensor, g_1G1: Tensor) -> dict[str, np.ndarray]:
        tokens_1T = tokens_11T[0].numpy().repeat(2, axis=1)
        return {
            "tokens": tokens_1T,
            "phones": phones_1P.numpy(),
            "speaker": g_1G1.numpy(),
            "noise": seeded_noise(1, (1, config.inter_channels, tokens_1T.shape[1])),
            "noise_scale": np.array(0.5, dtype=np.float32),
            "first": np.array(0),
        }

    if variant.endswith("int8"):
        others = [inputs(generator, 2, seed) for seed in (1, 2)]
        graph = in_weights(quantize_vocoder(graph, generator.dec, others), "fp16")
    runs = session(graph.SerializeToString())

    def speak(tokens_11T: Tensor, phones_1P: Tensor, g_1G1: Tensor) -> int:
        (samples,) = runs.run(["samples"], given(tokens_11T, phones_1P, g_1G1))
        return np.asarray(samples).shape[-1]

    return speak


def _decoder(file: Path, variant: str) -> TokenDecoder:
    token = checkpoints.load_gpt(file)
    model = Gpt.from_checkpoint(token.config, token.weights).float().eval()
    if variant.startswith("onnx"):
        from voicemill.gpt_sovits.onnx.conversion import decoder_of

        return decoder_of(model, 8 if variant.endswith("int8") else 32)
    return Decoder(model, weights_for(variant, torch.device("cpu"), model))
