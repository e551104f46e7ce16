"""Models on disk: our safetensors, and the reference's files by way of `reference_files`.

Ours have a JSON entry `voicemill` in the metadata, half-precision weights and the reference's key names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from voicemill.core.errors import InputError
from voicemill.core.files import replacing
from voicemill.gpt_sovits.flow_matching import lora
from voicemill.gpt_sovits.flow_matching.dit import DitSizes, Rotation
from voicemill.gpt_sovits.flow_matching.model import MelGenerator
from voicemill.gpt_sovits.formats import pickle_writer
from voicemill.gpt_sovits.formats.gpt_sovits_files import (
    Kind,
    configuration,
    information,
    kind_by_header,
    read_reference_file,
)
from voicemill.gpt_sovits.formats.safetensors_files import METADATA, read_weights
from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.uninitialized import Uninitialized
from voicemill.gpt_sovits.versions import VERSIONS, Version, spec

_OF_OTHER_VERSIONS = ("enc_q.", "dec.", "flow.")
"""Layers of a generator that draws no mel; they may be left over in files of one that does."""
_ROTATION = "cfm.estimator.rotary_embed.inv_freq"


@dataclass
class SovitsCheckpoint:
    """A SoVITS generator on disk, or a LoRA of one.

    Attributes:
        hps: The reference's whole configuration (`train`, `data`, `model`, ...) as plain values.
        weights: Tensors by the reference's names; published files lack the posterior encoder `enc_q`.
        info: How it was made, as the reference words it: `8epoch_123iteration`.
        lora_rank: Rank of the LoRA that the weights are; 0 where they are a whole generator.
    """

    config: SovitsConfig
    weights: dict[str, Tensor]
    info: str = ""
    hps: dict[str, Any] = field(default_factory=dict)
    lora_rank: int = 0

    @property
    def version(self) -> Version:
        return self.config.version


@dataclass
class GptCheckpoint:
    """A text-to-semantic model on disk; `weights` without the prefix `model.` that the reference's files have."""

    hps: dict[str, Any]
    weights: dict[str, Tensor]
    info: str = ""

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of the reference's file, whose section `model` has the sizes."""
        return self.hps


def version_of(path: Path, weights: Mapping[str, Tensor], hps: Mapping[str, Any] | None = None) -> Version:
    """Version of a SoVITS generator: by the file's header, else by its configuration and the shapes of its weights.

    Args:
        path: The file.
        weights: What it holds.
        hps: Its configuration.

    Raises:
        InputError: If it is a version that voicemill does not run (V5), or no SoVITS generator.
    """
    kind = kind_by_header(path)
    if kind and kind.model not in VERSIONS:
        raise InputError(
            f"{path} is a {kind.model} model; voicemill runs {', '.join(VERSIONS)}, and docs/how-to/versions.md says "
            "what is known of V5"
        )
    if any(key.startswith("cfm.") for key in weights) or (kind and spec(kind.model).mel):
        return _version_with_mel(path, weights, hps or {}, kind)
    embedding = weights.get("enc_p.text_embedding.weight")
    if embedding is None or embedding.ndim != 2 or "dec.ups.0.weight_v" not in weights:
        raise InputError(f"{path} is not a SoVITS generator: it has no text embedding or no vocoder")
    if "sv_emb.weight" not in weights:
        shaped: Version = "v1" if len(embedding) == spec("v1").symbols else "v2"
        if kind and kind.model != shaped:
            raise InputError(f"{path} is refused: its header says {kind.model}, but its weights are of {shaped}")
        return shaped
    if kind and kind.model == "v2Pro":
        return "v2Pro"
    if kind and kind.model == "v2ProPlus":
        return "v2ProPlus"
    if kind:
        raise InputError(f"{path} is refused: its header says {kind.model}, but its weights are of v2Pro")
    return "v2ProPlus" if weights["dec.ups.0.weight_v"].shape[-1] == 20 else "v2Pro"


def _version_with_mel(path: Path, weights: Mapping[str, Tensor], hps: Mapping[str, Any], kind: Kind | None) -> Version:
    """Version of a generator that draws mel, whose weights do not tell it."""
    is_lora = lora.is_lora(weights)
    if not any(key.startswith("cfm.") for key in weights):
        raise InputError(f"{path} is not a SoVITS generator: its header says {kind and kind.model}, its weights do not")
    if kind and kind.lora != is_lora:
        what = "a LoRA" if kind.lora else "a whole model"
        raise InputError(f"{path} is refused: its header says {what} of {kind.model}, which its weights are not")
    # Without a header, a configuration that names no version is v3's, as the reference takes it.
    named = kind.model if kind else _named_version(hps)
    found: Version | None = next((version for version in VERSIONS if version == named), None)
    if found is None or spec(found).mel is None:
        return "v3"
    return found


def _named_version(hps: Mapping[str, Any]) -> Any:
    model = hps.get("model", {})
    return model.get("version") if isinstance(model, Mapping) else None


def load_sovits(path: Path | str, device: torch.device | str = "cpu") -> SovitsCheckpoint:
    """Read a SoVITS generator or a LoRA of one: `.safetensors` of ours, or any `.pth` of the reference.

    Raises:
        InputError: If it is not a SoVITS generator of a version that voicemill runs, or cannot be read safely.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        weights, about = read_weights(path, "sovits", framework="pt", device=str(device))
        hps, info, version, rank = about["hps"], about["info"], about["version"], about.get("lora_rank", 0)
    else:
        contents = read_reference_file(path)
        weights = {key: value.to(device) for key, value in contents["weight"].items()}
        hps, info, rank = configuration(path, contents), information(contents), contents.get("lora_rank", 0)
        version = version_of(path, weights, hps)
    if type(rank) is not int or lora.is_lora(weights) != bool(rank):
        raise InputError(f"{path} is refused: its weights and its rank do not make up a LoRA")
    try:
        config = SovitsConfig.read(hps["model"], version) if hps.get("model") else SovitsConfig.of(version)
    except InputError as error:
        raise InputError(f"{path} is refused: {error}") from error
    return SovitsCheckpoint(config, weights, info, hps, rank)


def load_discriminator(path: Path | str) -> dict[str, Tensor]:
    """Return the weights of a base discriminator (`s2D*.pth`)."""
    weights = read_reference_file(Path(path))["weight"]
    if "discriminators.0.conv_post.weight_v" not in weights:
        raise InputError(f"{path} is not a SoVITS discriminator")
    return weights


def load_gpt(path: Path | str, device: torch.device | str = "cpu") -> GptCheckpoint:
    """Read a text-to-semantic model: `.safetensors` of ours, or a `.ckpt` of the reference.

    Raises:
        InputError: If it is not such a model or cannot be read safely.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        weights, about = read_weights(path, "gpt", framework="pt", device=str(device))
        return GptCheckpoint(about["hps"], weights, about["info"])
    contents = read_reference_file(path)
    weights = {key.removeprefix("model."): value.to(device) for key, value in contents["weight"].items()}
    hps = configuration(path, contents)
    if "ar_predict_layer.weight" not in weights or "model" not in hps:
        raise InputError(f"{path} is not a text-to-semantic model of GPT-SoVITS")
    return GptCheckpoint(hps, weights, information(contents))


def _save_safetensors(path: Path, weights: Mapping[str, Tensor], about: dict[str, Any]) -> None:
    # Copies: weights that were merged or averaged may share one storage, which safetensors refuses to write.
    halves = {key: weights[key].detach().to("cpu", torch.float16, copy=True).contiguous() for key in sorted(weights)}
    with replacing(path) as partial:
        partial.write_bytes(save(halves, {METADATA: json.dumps(about, ensure_ascii=False, sort_keys=True)}))


def published_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a voice needs to speak: half precision, without the posterior encoder."""
    return {key: value.half() for key, value in weights.items() if "enc_q" not in key}


def save_sovits(path: Path, checkpoint: SovitsCheckpoint) -> None:
    """Write a generator for speaking as safetensors, whole or not at all."""
    about = {"kind": "sovits", "version": checkpoint.version, "hps": checkpoint.hps, "info": checkpoint.info}
    if checkpoint.lora_rank:
        about["lora_rank"] = checkpoint.lora_rank
    _save_safetensors(path, published_weights(checkpoint.weights), about)


def save_gpt(path: Path, checkpoint: GptCheckpoint) -> None:
    """Write a text-to-semantic model as safetensors, whole or not at all."""
    _save_safetensors(path, checkpoint.weights, {"kind": "gpt", "hps": checkpoint.hps, "info": checkpoint.info})


def export_sovits(path: Path, checkpoint: SovitsCheckpoint, *, as_base: bool = False) -> None:
    """Write a generator as the reference's `.pth`.

    Args:
        as_base: Keep the posterior encoder and the zip's own header, as the files that training starts from do.
    """
    if as_base:
        _export(path, checkpoint.weights, checkpoint.hps, checkpoint.info)
    else:
        about = (checkpoint.hps, checkpoint.info, checkpoint.version, checkpoint.lora_rank)
        pickle_writer.write_sovits(path, _arrays(checkpoint.weights), *about)


def export_discriminator(path: Path, weights: Mapping[str, Tensor], hps: Mapping[str, Any]) -> None:
    """Write a discriminator as the reference's base file."""
    _export(path, weights, hps, "")


def export_gpt(path: Path, checkpoint: GptCheckpoint) -> None:
    """Write a text-to-semantic model as the reference's `.ckpt`."""
    pickle_writer.write_gpt(path, _arrays(checkpoint.weights), checkpoint.hps, checkpoint.info)


def _export(path: Path, weights: Mapping[str, Tensor], hps: Mapping[str, Any], info: str) -> None:
    halves = _arrays({key: value.half() for key, value in weights.items()})
    contents = {"weight": halves, "config": pickle_writer.held(hps), "info": info}
    pickle_writer.write_reference_file(path, contents)


def _arrays(weights: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {key: value.detach().cpu().numpy() for key, value in weights.items()}


def build_generator(checkpoint: SovitsCheckpoint, device: torch.device | str = "cpu") -> Generator:
    """Return the generator ready to speak: weight norm folded, evaluation mode, single precision.

    Raises:
        InputError: If the weights do not fit the checkpoint's own configuration.
    """
    weights = {key: value for key, value in checkpoint.weights.items() if not key.startswith("enc_q.")}
    with Uninitialized():
        model = Generator(checkpoint.config)
    del model.enc_q
    load_exactly(model, weights)
    return model.for_inference().to(device)


def check_sovits(checkpoint: SovitsCheckpoint) -> None:
    """Build what can be built of a generator; of a LoRA, without its base, whether its parts belong together.

    Raises:
        InputError: If it cannot be used.
    """
    if checkpoint.lora_rank:
        lora.whole_weights(checkpoint.weights)
        lora.pairs(checkpoint.weights, checkpoint.lora_rank)
    elif checkpoint.config.spec.mel:
        build_mel_generator(checkpoint)
    else:
        build_generator(checkpoint)


def merged(checkpoint: SovitsCheckpoint, base: SovitsCheckpoint | None) -> SovitsCheckpoint:
    """Return a whole generator: the same, or, of a LoRA, the base with the LoRA merged into it.

    Args:
        checkpoint: A generator or a LoRA.
        base: What the LoRA was trained from; nothing else needs one.

    Raises:
        InputError: The LoRA is not one of this base, or there is none.
    """
    if not checkpoint.lora_rank:
        return checkpoint
    if base is None:
        raise InputError(f"a LoRA of {checkpoint.version} speaks only with the base that it was trained from")
    if base.lora_rank or base.version != checkpoint.version:
        raise InputError(f"a LoRA of {checkpoint.version} does not fit a base of {base.version}")
    weights = lora.merged(base.weights, checkpoint.weights, checkpoint.lora_rank)
    return replace(base, weights=weights, info=checkpoint.info)


def build_mel_generator(
    checkpoint: SovitsCheckpoint,
    base: SovitsCheckpoint | None = None,
    vocoder: torch.nn.Module | None = None,
    device: torch.device | str = "cpu",
) -> MelGenerator:
    """Return a generator of v3 or v4 ready to speak: weight norm folded, evaluation mode, single precision.

    Args:
        checkpoint: A generator or a LoRA.
        base: What a LoRA was trained from.
        vocoder: Turns mel frames into samples; None for a model that is only to be trained or converted.
        device: Where it speaks.

    Raises:
        InputError: If the weights do not fit the checkpoint's own configuration, or a LoRA its base.
    """
    whole = merged(checkpoint, base)
    model = mel_generator(whole).for_inference()
    model.dec = vocoder
    return model.to(device)


def mel_generator(checkpoint: SovitsCheckpoint) -> MelGenerator:
    """Return a whole generator of v3 or v4 with its weights, in single precision.

    Raises:
        InputError: If the weights do not fit the checkpoint's own configuration.
    """
    with Uninitialized():
        model = MelGenerator(checkpoint.config, DitSizes.of(checkpoint.weights))
    held = {key: value for key, value in checkpoint.weights.items() if not key.startswith(_OF_OTHER_VERSIONS)}
    # Not every release of the reference's library for rotary positions writes what it computes them from.
    load_exactly(model, {_ROTATION: Rotation().inv_freq, **held})
    return model


def load_exactly(model: torch.nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a model its weights in single precision, every one of them and no other.

    Raises:
        InputError: If a weight is missing, unknown or of another shape.
    """
    copies = {key: value.to(torch.float32, copy=True) for key, value in weights.items()}
    try:
        model.load_state_dict(copies, strict=True, assign=True)
    except RuntimeError as error:
        problems = str(error).split("\n")[1:4]
        raise InputError(
            f"the weights do not fit their configuration: {' '.join(line.strip() for line in problems)}"
        ) from error
