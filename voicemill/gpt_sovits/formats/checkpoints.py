"""Models on disk: our safetensors, and the reference's files by way of `reference_files`.

Ours have a JSON entry `voicemill` in the metadata, half-precision weights and the reference's key names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from voicemill.core.errors import InputError
from voicemill.core.files import replacing
from voicemill.gpt_sovits.formats import pickle_writer
from voicemill.gpt_sovits.formats.gpt_sovits_files import (
    configuration,
    information,
    kind_by_header,
    read_reference_file,
)
from voicemill.gpt_sovits.formats.safetensors_files import METADATA, read_weights
from voicemill.gpt_sovits.sovits.config import SovitsConfig, Version
from voicemill.gpt_sovits.sovits.model import Generator


@dataclass
class SovitsCheckpoint:
    """A SoVITS generator on disk.

    Attributes:
        hps: The reference's whole configuration (`train`, `data`, `model`, ...) as plain values.
        weights: Tensors by the reference's names; published files lack the posterior encoder `enc_q`.
        info: How it was made, as the reference words it: `8epoch_123iteration`.
    """

    config: SovitsConfig
    weights: dict[str, Tensor]
    info: str = ""
    hps: dict[str, Any] = field(default_factory=dict)

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


def version_of(path: Path, weights: Mapping[str, Tensor]) -> Version:
    """Version of a SoVITS generator: by the file's header, else by the shapes of its weights.

    Raises:
        InputError: If it is a version that voicemill does not run (v3, v4, LoRA), or no SoVITS generator.
    """
    kind = kind_by_header(path)
    embedding = weights.get("enc_p.text_embedding.weight")
    if (kind and kind.lora) or (kind and kind.model in ("v3", "v4")) or any(key.startswith("cfm.") for key in weights):
        raise InputError(
            f"{path} is a {kind.model if kind else 'v3 or v4'} model; voicemill runs v1, v2, v2Pro and v2ProPlus"
        )
    if embedding is None or embedding.ndim != 2 or "dec.ups.0.weight_v" not in weights:
        raise InputError(f"{path} is not a SoVITS generator: it has no text embedding or no vocoder")
    if "sv_emb.weight" not in weights:
        shaped: Version = "v1" if len(embedding) == 322 else "v2"
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


def load_sovits(path: Path | str, device: torch.device | str = "cpu") -> SovitsCheckpoint:
    """Read a SoVITS generator: `.safetensors` of ours, or any `.pth` of the reference.

    Raises:
        InputError: If it is not a SoVITS generator of a version that voicemill runs, or cannot be read safely.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        weights, about = read_weights(path, "sovits", framework="pt", device=str(device))
        hps, info, version = about["hps"], about["info"], about["version"]
    else:
        contents = read_reference_file(path)
        weights = {key: value.to(device) for key, value in contents["weight"].items()}
        hps, info, version = (
            configuration(path, contents),
            information(contents),
            version_of(path, weights),
        )
    try:
        config = SovitsConfig.read(hps["model"], version) if hps.get("model") else SovitsConfig.of(version)
    except InputError as error:
        raise InputError(f"{path} is refused: {error}") from error
    return SovitsCheckpoint(config, weights, info, hps)


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
        pickle_writer.write_sovits(
            path, _arrays(checkpoint.weights), checkpoint.hps, checkpoint.info, checkpoint.version
        )


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
    with torch.device("meta"):
        model = Generator(checkpoint.config)
    del model.enc_q
    load_exactly(model, weights)
    return model.for_inference().to(device)


def load_exactly(model: torch.nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a model on the meta device its weights in single precision, every one of them and no other.

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
