"""Golden cases of SoVITS v3 and v4: the models, mel spectrograms, vocoders, sampling."""

from __future__ import annotations

import lzma
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.audio.resampling import resample_sinc
from voicemill.core.digests import file_digest
from voicemill.gpt_sovits.features.spectrogram import HOP, linear_spectrogram, mel_spectrogram
from voicemill.gpt_sovits.flow_matching import lora
from voicemill.gpt_sovits.flow_matching.bigvgan import BigVgan, BigVganSizes, Filter
from voicemill.gpt_sovits.flow_matching.data import MelBatch, collate, mel_of_clip
from voicemill.gpt_sovits.flow_matching.dit import BANDS, Dit, DitSizes
from voicemill.gpt_sovits.flow_matching.model import MelGenerator, denormalized, mel_of, normalized
from voicemill.gpt_sovits.flow_matching.sampling import sample
from voicemill.gpt_sovits.flow_matching.training import (
    SHORTCUT_SHARE,
    Draws,
    MelTrainer,
    features,
    item_losses,
    prompt_frames,
)
from voicemill.gpt_sovits.formats import checkpoints, gpt_sovits_files
from voicemill.gpt_sovits.formats.vocoders import normed
from voicemill.gpt_sovits.sovits.config import SSL_CHANNELS, SovitsConfig
from voicemill.gpt_sovits.sovits.data import Example
from voicemill.gpt_sovits.sovits.layers import fold_weight_norm, length_mask
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.sovits.training import BETAS, EPS
from voicemill.gpt_sovits.sovits.vocoder import Vocoder, VocoderSizes
from voicemill.gpt_sovits.synthesis import Fragment, Options, Prompt, Script, waveform
from voicemill.gpt_sovits.synthesis import mel_sound as mel_sound_module
from voicemill.gpt_sovits.synthesis.mel_sound import MelSound, MelVoice
from voicemill.gpt_sovits.synthesis.parts import Part
from voicemill.gpt_sovits.synthesis.script import Quirks
from voicemill.gpt_sovits.training.run_state import Precision
from voicemill.gpt_sovits.versions import spec
from voicemill.parity.fixtures import recipe_tensor
from voicemill.parity.runner import Case, covers
from voicemill.parity.sovits import QUIET_BANDS, inputs, tensors, without_dropout
from voicemill.parity.synthesis import build, speak_line

COMPUTED = ("rotary_embed.inv_freq", ".filter")
"""Buffers with a fixed value, which the recipes leave out."""


def load(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a model its weights: all but those that have a fixed value."""
    found = model.load_state_dict(normed(weights, model), strict=False)
    lacking = [key for key in found.missing_keys if not key.endswith(COMPUTED)]
    assert not lacking and not found.unexpected_keys, (lacking, found.unexpected_keys)


def mel_generator(case: Case) -> MelGenerator:
    return built(case, tensors(case.weights()[0]))


def built(case: Case, weights: Mapping[str, Tensor]) -> MelGenerator:
    model = MelGenerator(SovitsConfig.read(case.config["model"], case.config["version"]), DitSizes.of(weights))
    load(model, weights)
    return model.eval()


def vocoder(config: dict[str, Any], weights: dict[str, np.ndarray]) -> nn.Module:
    """Return v3's or v4's vocoder, as its configuration tells."""
    if "activation" in config:
        model: nn.Module = BigVgan(BigVganSizes.read(config, "the case"))
    else:
        sizes = VocoderSizes(
            config["initial_channel"],
            config["upsample_initial_channel"],
            tuple(config["upsample_rates"]),
            tuple(config["upsample_kernel_sizes"]),
            tuple(config["resblock_kernel_sizes"]),
            tuple(tuple(row) for row in config["resblock_dilation_sizes"]),
            config["gin_channels"],
            config["is_bias"],
        )
        model = Vocoder(sizes)
    load(model, tensors(weights))
    fold_weight_norm(model)
    return model.eval()


@covers("G_v34", "g_v34_*_extract_latent_*")
def extract_latent(case: Case) -> None:
    case.check("codes", mel_generator(case).extract_codes(inputs(case)["ssl"]))


@covers("G_v34", "g_v34_*_decode_encp_*")
@covers("G_v34_more", "g_v34_*_decode_encp_*")
@torch.no_grad()
def decode_encp(case: Case) -> None:
    given, model = inputs(case), mel_generator(case)
    seen: dict[str, Tensor] = {}
    model.bridge.register_forward_pre_hook(lambda _, args: seen.update(hidden=args[0]))
    model.wns1.register_forward_pre_hook(lambda _, args: seen.update(stretched=args[0], mask=args[1]))
    g = given["ge"] if "ge" in given else model.speaker(given["refer"])
    features = model.features(given["codes"], given["text"], g, given["speed"])
    got = {
        "fea": features,
        "fea_head": features[:, : case.expected("fea_head").shape[1]] if "fea_head" in case.output_names else None,
        "ge": g,
        "enc_p_y_head": seen["hidden"][:, :32],
        "wns1_in_head": seen["stretched"][:, :16],
        "enc_p_frames": seen["hidden"].shape[-1],
        "fea_frames": features.shape[-1],
    }
    for name in case.output_names:
        if name == "wns1_lengths_arg":
            assert int(seen["mask"].sum()) == min(case.expected(name), features.shape[-1]), case.name
        else:
            case.check(name, got[name])
    assert model.frames(given["codes"].shape[-1], given["speed"]) == features.shape[-1]


@covers("G_v34", "g_v34_*_dit_*")
@torch.no_grad()
def transformer(case: Case) -> None:
    given, model = inputs(case), mel_generator(case).estimator
    seen: dict[str, Tensor] = {}
    model.input_embed.register_forward_hook(lambda *call: seen.update(input=call[-1]))
    model.transformer_blocks[0].register_forward_hook(lambda *call: seen.update(block=call[-1]))
    features = torch.zeros_like(given["text"]) if given.get("drop_text") else given["text"]
    prompt = torch.zeros_like(given["cond"]) if given.get("drop_audio_cond") else given["cond"]
    embedded = model.embed_features(features)
    time, size = model.time_embed(given["time"]), model.d_embed(given["dt"])
    mask = length_mask(given["x_lens"], given["x"].shape[-1], torch.bool).squeeze(1)
    out = model(given["x"], prompt, embedded, time + size, mask)
    got = {
        "out": out.transpose(1, 2),
        "text_embed_head": embedded[..., :32],
        "dt_embed": size,
        "time_embed": time,
        "input_embed_head": seen["input"][..., :32],
        "block0_head": seen["block"][..., :32],
    }
    for name in case.output_names:
        case.check(name, got[name])


@covers("G_v34", "g_v34_*_cfm_*")
def flow_matching(case: Case) -> None:
    given, model = inputs(case), mel_generator(case)
    noise = given["noise"] * given["temperature"]
    features = given["mu"].transpose(1, 2)
    x = sample(model.estimator, features, given["prompt"], noise, given["n_timesteps"], given["inference_cfg_rate"])
    case.check("x", x)


@covers("G_v34", "g_v34_*_mel")
def mel(case: Case) -> None:
    wav, bands = inputs(case)["wav"], case.config["num_mels"]
    known = spec(case.id.split("_")[2]).mel
    assert known and (known.n_fft, known.hop, known.rate) == tuple(
        case.config[name] for name in ("n_fft", "hop_size", "sampling_rate")
    )
    found = mel_spectrogram(wav, known.n_fft, known.hop, bands, known.rate)
    case.check("mel", found, slack=QUIET_BANDS)
    case.check("norm", normalized(found)[..., :4], slack=QUIET_BANDS)
    case.check("denorm", denormalized(normalized(found))[..., :4], slack=QUIET_BANDS)


@covers("G_v34", "g_v34_*_vocoder*")
@torch.no_grad()
def speak_mel(case: Case) -> None:
    case.check("wav", vocoder(case.config, case.weights()[0])(inputs(case)["mel"]))


@covers("G_v34", "g_v34_*_bigvgan_filters")
def filters(case: Case) -> None:
    for name in ("upsample_filter", "downsample_filter"):
        case.check(name, Filter().filter)


def mel_sound(case: Case, kind: type[MelSound] = MelSound) -> MelSound:
    """How the case's models sound, with its sizes of chunks and its noise."""
    model = mel_generator(case)
    model.dec = vocoder(case.config["vocoder"], case.weights()[1])
    sizes = case.config["vocoder_configs"]
    assert (sizes["sr"], sizes["upsample_rate"]) == (model.mel.output_rate, model.mel.frame_samples)
    model.mel = replace(model.mel, prompt_frames=sizes["T_ref"], chunk_frames=sizes["T_chunk"])
    return kind(model, Recorded(case), nullcontext)


class Recorded:
    """The noise that a case was recorded with."""

    def __init__(self, case: Case):
        self.seed, self.key = case.config["noise_seed"], case.config["noise_key"]
        self.shapes: list[list[int]] = []

    def __call__(self, seed: int, shape: tuple[int, ...]) -> np.ndarray:
        key = self.key.replace("<i>", str(len(self.shapes)))
        self.shapes.append(list(shape))
        return recipe_tensor(self.seed, key, shape, "uniform", 0.0, float(np.sqrt(3)))


def prompt_of(sound: MelSound, given: dict[str, Any]) -> Prompt:
    """The case's prompt, whose audio is given as samples."""
    model = sound.generator
    g = model.speaker(given["refer_spec"])
    features = model.features(given["prompt_semantic"].view(1, 1, -1), given["prompt_phones"].view(1, -1), g)
    audio = resample_sinc(given["raw_audio"], given["raw_sr"], sound.mel.rate)
    return Prompt(given["prompt_semantic"].numpy(), None, sound.cut(g, features, mel_of(audio, sound.mel)))


def part_of(tokens: Tensor, phones: Tensor, speed: float) -> Part:
    fragment = Fragment("", "", phones.flatten().tolist(), np.empty(0))
    return Part(0, 0, fragment, Script([fragment], speed), tokens.flatten().numpy())


@covers("G_v34", "g_v34_*_synth_*")
@torch.no_grad()
def chunk_loop(case: Case) -> None:
    given, sound = inputs(case), mel_sound(case)
    heard: list[Tensor] = []
    calls: list[Any] = []
    assert sound.generator.dec is not None
    sound.generator.dec.register_forward_pre_hook(lambda _, args: heard.append(args[0]))
    part = part_of(given["semantic_tokens"], given["phones"], given["speed"])
    prompt = prompt_of(sound, given)
    with watched(calls):
        sound.decode([[part]], prompt, Options(sample_steps=given["sample_steps"]))
    case.check("audio", part.sound)
    case.check("mel", heard[0])
    case.check("noise_shapes", sound.noise.shapes)
    case.check("cfm_calls", calls)


@contextmanager
def watched(calls: list[Any]) -> Iterator[None]:
    """Note the shapes that sampling is called with, as the recordings have them."""

    def noted(estimator: Dit, features: Tensor, prompt: Tensor, *rest: Any) -> Tensor:
        B, C, T = features.shape
        calls.append([[B, T, C], [T], list(prompt.shape)])
        return sample(estimator, features, prompt, *rest)

    mel_sound_module.sample = noted
    try:
        yield
    finally:
        mel_sound_module.sample = sample


class JoinedMelSound(MelSound):
    """The reference's way to speak several fragments at once, which we do not take (decision 214).

    Their features are joined, cut into overlapping chunks that all resume from the reference recording, and the sounds
    of the chunks are cross-faded where they agree best, which shortens what is said.
    """

    offsets: list[int]
    heard: Tensor

    def decode(self, utterances: list[list[Part]], prompt: Prompt, options: Options) -> None:
        (parts,), voice = utterances, prompt.voice
        assert isinstance(voice, MelVoice)
        features = [self._features([part], voice, 1)[0] for part in parts]
        length, overlap, samples = self.mel.chunk_frames - voice.frames, 12, self.mel.frame_samples
        joined = F.pad(torch.cat(features, dim=-1), (overlap, 0))
        starts = range(0, joined.shape[-1] + overlap, length - overlap)
        chunks = [joined[:, start : start + length] for start in starts if start < joined.shape[-1]]
        silence = length - chunks[-1].shape[-1]
        chunks_BCT = torch.stack([F.pad(chunk, (0, length - chunk.shape[-1])) for chunk in chunks])
        features_BCT = torch.cat([voice.features_1CP.expand(len(chunks), -1, -1), chunks_BCT], dim=-1)
        noise = torch.from_numpy(self.noise(0, (len(chunks), BANDS, features_BCT.shape[-1])))
        steps = options.sample_steps or self.mel.sample_steps
        mel = sample(self.generator.estimator, features_BCT, voice.mel_1MP, noise, steps)[..., -length:]
        self.heard = mel.transpose(0, 1).flatten(1).unsqueeze(0)
        waves = [wave.numpy() for wave in self.vocode(self.heard).split(length * samples)]
        sound = waves[0]
        self.offsets = []
        for wave in waves[1:]:
            before = len(sound) + len(wave) - overlap * samples
            sound = waveform.cross_fade(sound, wave, overlap * samples)
            self.offsets.append(before - len(sound))
        sound = sound[overlap * samples : len(sound) - silence * samples]
        for part, each in zip(parts, features, strict=True):
            frames = each.shape[-1] * samples
            part.sound, sound = sound[:frames], sound[frames:]


@covers("G_v34", "g_v34_*_batched_*")
@torch.no_grad()
def joined_chunks(case: Case) -> None:
    given, sound = inputs(case), mel_sound(case, JoinedMelSound)
    assert isinstance(sound, JoinedMelSound)
    parts = [
        part_of(given[f"tokens{i}"].flatten()[-count:], given[f"phones{i}"], given["speed"])
        for i, count in enumerate(given["idx_list"])
    ]
    sound.decode([parts], prompt_of(sound, given), Options(sample_steps=given["sample_steps"]))
    case.check("audio", np.concatenate([part.sound for part in parts]))
    case.check("fragment_lengths", [len(part.sound) for part in parts])
    case.check("noise_shapes", sound.noise.shapes)
    case.check("sola_offsets", sound.offsets)
    case.check("mel_frames", sound.heard.shape[-1])
    case.check("mel_head", denormalized(sound.heard)[..., :40])


@covers("G_v34_ckpt", "g_v34_ckpt_lora_*")
@torch.no_grad()
def read_lora(case: Case) -> None:
    given = inputs(case)
    with tempfile.TemporaryDirectory() as folder:
        path, ours = Path(folder, case.expected("file_name")), Path(folder, "ours.pth")
        path.write_bytes(lzma.decompress(case.path(given["checkpoint_xz"]).read_bytes()))
        case.check("size", path.stat().st_size)
        case.check("sha256", file_digest(path))
        checkpoints.export_sovits(ours, checkpoints.load_sovits(path))
        for file in (path, ours):
            case.check("first_bytes", file.read_bytes()[:4].hex())
            kind = gpt_sovits_files.kind_by_header(file)
            assert kind is not None
            case.check("detected_version", [kind.symbols, kind.model, str(kind.lora)])
            raw = gpt_sovits_files.read_reference_file(file)
            case.check("top_keys", list(raw))
            case.check("info", raw["info"])
            case.check("lora_rank", raw["lora_rank"])
            case.check("config_type", f"{type(raw['config']).__module__}.{type(raw['config']).__qualname__}")
            shapes = {key: [list(w.shape), str(w.dtype).removeprefix("torch.")] for key, w in raw["weight"].items()}
            case.check("weight_keys", shapes)
            loaded = checkpoints.load_sovits(file)
            assert (loaded.version, loaded.lora_rank, loaded.hps) == (
                case.config["version"],
                case.config["lora"]["r"],
                case.config["hps"],
            )
            for key, value in case.weights()[1].items():
                np.testing.assert_array_equal(loaded.weights[key].numpy(), value.astype(np.float16), err_msg=key)
    weights = lora.merged(tensors(case.weights()[0]), loaded.weights, loaded.lora_rank)
    blocks = "cfm.estimator.transformer_blocks"
    case.check("merged_to_q0", weights[f"{blocks}.0.attn.to_q.weight"].flatten()[:64])
    case.check("merged_to_out1", weights[f"{blocks}.1.attn.to_out.0.weight"].flatten()[:64])
    missing = weights.keys() - {lora.as_in_models(key) for key in loaded.weights if ".lora_" not in key}
    case.check("n_missing_keys_when_loading", len(missing))
    model = built(case, weights)
    features = model.features(given["codes"], given["text"], model.speaker(given["refer"]))
    case.check("fea_head", features[:, :16])
    case.check("mel", sample(model.estimator, features, given["prompt"], given["noise"], given["n_timesteps"]))


@covers("G_v34_ckpt", "g_v34_header_bytes")
def header_bytes(case: Case) -> None:
    for header, expected in case.expected("headers").items():
        kind = gpt_sovits_files.HEADERS[header]
        assert [kind.symbols, kind.model, kind.lora] == expected["detected"], header
        assert header in (spec(kind.model).header, spec(kind.model).lora_header)
    published = {digest: list(gpt_sovits_files.PUBLISHED[digest]) for digest in case.expected(_PUBLISHED)}
    case.check(_PUBLISHED, published)


_PUBLISHED = "pretrained_md5_of_first_8192_bytes"


@covers("G_v34_glue", "g_v34_*_run_*")
@torch.no_grad()
def whole_line(case: Case) -> None:
    x = case.inputs
    whole, *rest = case.weights()
    weights = tensors(whole)
    if case.config.get("lora_rank"):
        halves = {key: value.half() for key, value in tensors(rest.pop(0)).items()}
        weights = lora.merged(weights, halves, case.config["lora_rank"])
        case.check("merged_to_q0", weights["cfm.estimator.transformer_blocks.0.attn.to_q.weight"].flatten()[:64])
    model = built(case, weights)
    model.dec = vocoder(case.config["vocoder"], rest.pop(0))
    noise = Recorded(case)
    quirks = Quirks(
        decode_together=x["parallel_infer"],
        late_stop=not x["parallel_infer"],
        read_as_reference=True,
        pause_at_32_khz=True,
        mel_of_last_reference=True,
    )
    synthesizer = build(case, model, rest, noise, quirks)
    if x["parallel_infer"]:
        synthesizer.sound = JoinedMelSound(model, noise, nullcontext)
    speech = speak_line(case, synthesizer, x["repetition_penalty"])
    case.check("noise_shapes", noise.shapes)
    case.check("wav_int16", waveform.pcm16(speech.samples, wrap=True).astype(np.int64))


def with_lora(case: Case) -> MelGenerator:
    """The case's model with its LoRA, ready to be trained without dropout."""
    model = mel_generator(case)
    lora.add_lora(model.estimator, case.config["lora"]["r"])
    changed = {lora.as_in_models(key): value for key, value in tensors(case.weights()[1]).items()}
    found = model.load_state_dict(changed, strict=False)
    assert not found.unexpected_keys, found.unexpected_keys
    without_dropout(model)
    lora.trainable(model)
    return model.train()


def batch_of(case: Case) -> MelBatch:
    names = ("ssl", "spec", "lengths", "mel", "mel_lengths", "text", "text_lengths")
    return MelBatch(*(inputs(case)[name] for name in names))


def draws_of(given: dict[str, Any], suffix: str = "") -> Draws:
    prompts_B, times_B, noise_BMT, halvings_B = (
        given[name + suffix] for name in ("rand_prompt", "rand_t", "noise", "base")
    )
    return Draws(prompts_B, times_B, noise_BMT, halvings_B, given[f"pyrandom{suffix}"] < SHORTCUT_SHARE)


@covers("G_v34_train", "g_v34_*_cfm_loss_*")
def train_loss(case: Case) -> None:
    model, batch, draws = with_lora(case), batch_of(case), draws_of(inputs(case))
    losses = item_losses(model, batch, draws)
    losses.mean().backward()
    gradients = {lora.as_in_files(key): p.grad for key, p in model.named_parameters() if p.requires_grad}
    found = {key: value for key, value in gradients.items() if value is not None}
    stretched = features(model, batch)
    case.check("loss", losses.mean().reshape(1))
    case.check("prompt_len", prompt_frames(batch, draws).tolist())
    case.check("mel_frames", min(stretched.shape[-1], batch.mel_BMT.shape[-1]))
    case.check("mu_head", stretched[:, :16, : case.expected("mel_frames")])
    norms = [float(found[name].norm()) if name in found else 0.0 for name in case.expected("grad_names")]
    case.check("grad_norms", norms)
    case.check("grad_names", sorted(gradients))
    case.check("params_without_grad", sorted(key for key, value in gradients.items() if value is None))
    case.check("grad_norm", float(torch.stack([value.norm() for value in found.values()]).norm()))
    first = "cfm.base_model.model.estimator.transformer_blocks.0.attn.to_q.lora_B.default.weight"
    case.check("grad_lora_B_q0", found[first])
    case.check("grad_bridge_head", found["bridge.0.weight"].flatten()[:64])


@covers("G_v34_train", "g_v34_*_lora_2steps")
def train_steps(case: Case) -> None:
    hps, given, batch = case.config["hps"], inputs(case), batch_of(case)
    assert (tuple(hps["betas"]), hps["eps"]) == (BETAS, EPS), "AdamW has other settings upstream"
    recipe = SovitsRecipe(learning_rate=hps["learning_rate"], learning_rate_decay=hps["lr_decay"])
    model = with_lora(case)
    trainer = MelTrainer(model, recipe, Precision("fp32", torch.device("cpu")), micro_batch=1)
    steps = [trainer.step(batch, draws_of(given, f"_step{number}")) for number in range(2)]
    case.check("losses", [step.loss for step in steps])
    case.check("grad_norms", [step.gradient for step in steps])
    case.check("lr", trainer.rate)
    case.check("weight_decay", trainer.optimizer.param_groups[0]["weight_decay"])
    learnt = {lora.as_in_files(key): value.detach() for key, value in trainer.learning.items()}
    case.check("trainable_sum", float(sum(value.double().sum() for value in learnt.values())))
    for name in set(case.output_names) & learnt.keys():
        case.check(name, learnt[name].flatten()[:64])


@covers("G_v34_train", "g_v34_*_lora_keys")
def lora_keys(case: Case) -> None:
    model = with_lora(case.other(case.id.replace("lora_keys", "cfm_loss_plain")))
    state = {lora.as_in_files(key): list(value.shape) for key, value in model.state_dict().items()}
    shapes = {key: shape for key, shape in state.items() if ".lora_" in key}
    case.check("lora_keys", shapes)
    learning = sorted(lora.as_in_files(key) for key, p in model.named_parameters() if p.requires_grad)
    case.check("trainable_keys", learning)
    case.check("n_trainable", len(learning))
    case.check("n_frozen", sum(not p.requires_grad for p in model.parameters()))


@covers("G_v34_train", "g_v34_*_loader")
def load_clips(case: Case) -> None:
    known = spec(case.id.split("_")[2]).mel
    assert known is not None
    examples = []
    for number, frames in enumerate(case.inputs["ssl_frames"]):
        samples, _ = soundfile.read(case.path(case.inputs[f"wav_{number}"]), dtype="float32")
        wav = torch.from_numpy(samples).unsqueeze(0)
        linear = linear_spectrogram(wav).squeeze(0)
        ssl = F.pad(torch.zeros(1, SSL_CHANNELS, frames), (0, max(0, linear.shape[-1] - frames)))
        examples.append(Example(ssl, linear, wav, torch.zeros(5, dtype=torch.long), None))
    mels = [mel_of_clip(example, known) for example in examples]
    batch = collate(examples, known)
    fields = (batch.ssl_BCT, batch.spec_BFT, batch.mel_BMT)
    case.check("mel_0", mels[0], slack=QUIET_BANDS)
    case.check("mel_1", mels[1], slack=QUIET_BANDS)
    case.check("spec_shapes", [list(example.spec_FT.shape) for example in examples])
    case.check("ssl_shapes", [list(example.ssl_1CT.shape) for example in examples])
    case.check("mel_shapes", [list(each.shape) for each in mels])
    case.check("spec_abs_sum", [float(example.spec_FT.abs().sum()) for example in examples])
    assert [list(field.shape) for field in fields] == case.expected("batch_shapes")[:3], case.name
    lengths = {"spec": batch.spec_lengths_B, "text": batch.phone_lengths_B, "mel": batch.mel_lengths_B}
    expected = case.expected("batch_lengths")
    assert {name: value.tolist() for name, value in lengths.items()} == {name: expected[name] for name in lengths}
    for frames, shapes in case.expected("collate_shapes_by_frames").items():
        wav = torch.zeros(1, int(frames) * HOP)
        short = Example(
            torch.zeros(1, SSL_CHANNELS, int(frames)), torch.zeros(1025, int(frames)), wav, torch.zeros(1), None
        )
        made = collate([short, short], known)
        assert [list(field.shape) for field in (made.ssl_BCT, made.spec_BFT, made.mel_BMT)] == shapes, frames
