"""Checkpoint files: the reference's, read without running anybody's code, and our own.

The reference's files are torch zips of `{"weight", "config", "info"}`. Those of v2Pro and v2ProPlus have two digits in
place of the zip's "PK", which tell the version. SoVITS files pickle their configuration as an instance of the
reference's `utils.HParams`, a plain holder of attributes: the one class that the reader admits.

Ours are safetensors with a JSON entry `voicemill` in the metadata; they hold the reference's key names.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from voicemill.errors import InputError
from voicemill.gpt_sovits.sovits.config import SovitsConfig, Version
from voicemill.gpt_sovits.sovits.model import Generator


class Kind(NamedTuple):
    """What a file holds: symbol table, model version, and whether it is only a LoRA."""

    symbols: str
    model: str
    lora: bool


HEADERS = {
    "00": Kind("v1", "v1", False),
    "01": Kind("v2", "v2", False),
    "02": Kind("v2", "v3", False),
    "03": Kind("v2", "v3", True),
    "04": Kind("v2", "v4", True),
    "05": Kind("v2", "v2Pro", False),
    "06": Kind("v2", "v2ProPlus", False),
}
"""Meaning of the two bytes that stand in place of "PK"."""

PUBLISHED = {
    "dc3c97e17592963677a4a1681f30c653": Kind("v2", "v2", False),
    "43797be674a37c1c83ee81081941ed0f": Kind("v2", "v3", False),
    "6642b37f3dbb1f76882b69937c95a5f3": Kind("v2", "v2", False),
    "4f26b9476d0c5033e04162c486074374": Kind("v2", "v4", False),
    "c7e9fce2223f3db685cdfa1e6368728a": Kind("v2", "v2Pro", False),
    "66b313e39455b57ab1b0bc0b239c9d0a": Kind("v2", "v2ProPlus", False),
}
"""Published base files by the md5 of their first 8192 bytes."""

_WRITTEN_HEADERS = {"v2Pro": "05", "v2ProPlus": "06"}
_METADATA = "voicemill"


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


class HParams:
    """Stands in for the reference's `utils.HParams` in pickles."""


HParams.__module__, HParams.__qualname__ = "utils", "HParams"


def _plain(value: Any) -> Any:
    """Configurations as plain dicts and lists."""
    if isinstance(value, HParams):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _held(value: Any) -> Any:
    """Plain dicts as the holders that the reference expects."""
    if not isinstance(value, Mapping):
        return value
    holder = HParams()
    vars(holder).update({key: _held(item) for key, item in value.items()})
    return holder


class _Pickler(pickle._Pickler):
    """Names our stand-in as the reference's class, which is not importable here."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj is HParams:
            self.write(pickle.GLOBAL + b"utils\nHParams\n")  # pyright: ignore[reportAttributeAccessIssue]
            self.memoize(obj)  # pyright: ignore[reportAttributeAccessIssue]
        else:
            super().save_global(obj, name)  # pyright: ignore[reportAttributeAccessIssue]

    dispatch = {**pickle._Pickler.dispatch, type: save_global}  # pyright: ignore


_pickle_module = ModuleType("pickle_with_hparams")
_pickle_module.Pickler = _Pickler  # pyright: ignore[reportAttributeAccessIssue]


def kind_by_header(path: Path) -> Kind | None:
    """What the file's opening bytes tell, or None for a plain zip."""
    with path.open("rb") as file:
        opening = file.read(8192)
    known = PUBLISHED.get(hashlib.md5(opening, usedforsecurity=False).hexdigest())
    return known or HEADERS.get(opening[:2].decode("latin1"))


def read_reference_file(path: Path) -> dict[str, Any]:
    """The contents of a `.pth` or `.ckpt` of the reference; nothing in it is executed.

    Raises:
        InputError: If the file is damaged, or holds anything but tensors, plain containers and `utils.HParams`.
    """
    data = io.BytesIO(path.read_bytes())
    if data.getbuffer()[:2].tobytes().decode("latin1") in HEADERS:
        data.getbuffer()[:2] = b"PK"
    try:
        with torch.serialization.safe_globals([(HParams, "utils.HParams")]):
            contents = torch.load(data, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file provokes means the same: it cannot be used
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"{path} is not a checkpoint that can be read safely ({reason}); get it again from its source"
        ) from error
    weights = contents.get("weight") if isinstance(contents, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise InputError(f"{path} has no weights where GPT-SoVITS puts them; is it a GPT-SoVITS weights file?")
    return contents


def write_reference_file(path: Path, contents: dict[str, Any], header: str = "PK") -> None:
    """Write a file as the reference does, with `header` as its first two bytes; whole or not at all."""
    data = io.BytesIO()
    torch.save(contents, data, pickle_module=_pickle_module)
    data.getbuffer()[:2] = header.encode("ascii")
    with _replacing(path) as partial:
        partial.write_bytes(data.getbuffer())


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def version_of(path: Path, weights: Mapping[str, Tensor]) -> Version:
    """Version of a SoVITS generator: by the file's header, else by the shapes of its weights.

    Raises:
        InputError: If it is a version that voicemill does not run (v3, v4, LoRA), or no SoVITS generator.
    """
    kind = kind_by_header(path)
    embedding = weights.get("enc_p.text_embedding.weight")
    if kind and kind.lora or kind and kind.model in ("v3", "v4") or any(key.startswith("cfm.") for key in weights):
        raise InputError(
            f"{path} is a {kind.model if kind else 'v3 or v4'} model; voicemill runs v1, v2, v2Pro and v2ProPlus"
        )
    if embedding is None or "dec.ups.0.weight_v" not in weights:
        raise InputError(f"{path} is not a SoVITS generator: it has no text embedding or no vocoder")
    if len(embedding) == 322:
        return "v1"
    if "sv_emb.weight" not in weights:
        return "v2"
    if kind and kind.model in ("v2Pro", "v2ProPlus"):
        return "v2Pro" if kind.model == "v2Pro" else "v2ProPlus"
    return "v2ProPlus" if weights["dec.ups.0.weight_v"].shape[-1] == 20 else "v2Pro"


def load_sovits(path: Path | str, device: torch.device | str = "cpu") -> SovitsCheckpoint:
    """Read a SoVITS generator: `.safetensors` of ours, or any `.pth` of the reference.

    Raises:
        InputError: If it is no SoVITS generator of a version that voicemill runs, or cannot be read safely.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        weights, about = _read_safetensors(path, "sovits", device)
        hps, info, version = about["hps"], about["info"], about["version"]
    else:
        contents = read_reference_file(path)
        weights = {key: value.to(device) for key, value in contents["weight"].items()}
        hps, info, version = (
            _plain(contents.get("config")) or {},
            str(contents.get("info", "")),
            version_of(path, weights),
        )
    config = SovitsConfig.read(hps["model"], version) if hps.get("model") else SovitsConfig.of(version)
    return SovitsCheckpoint(config, weights, info, hps)


def load_discriminator(path: Path | str) -> dict[str, Tensor]:
    """Weights of a base discriminator (`s2D*.pth`)."""
    weights = read_reference_file(Path(path))["weight"]
    if "discriminators.0.conv_post.weight_v" not in weights:
        raise InputError(f"{path} is not a SoVITS discriminator")
    return weights


def load_gpt(path: Path | str, device: torch.device | str = "cpu") -> GptCheckpoint:
    """Read a text-to-semantic model: `.safetensors` of ours, or a `.ckpt` of the reference.

    Raises:
        InputError: If it is no such model or cannot be read safely.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        weights, about = _read_safetensors(path, "gpt", device)
        return GptCheckpoint(about["hps"], weights, about["info"])
    contents = read_reference_file(path)
    weights = {key.removeprefix("model."): value.to(device) for key, value in contents["weight"].items()}
    hps = _plain(contents.get("config"))
    if "ar_predict_layer.weight" not in weights or not isinstance(hps, dict) or "model" not in hps:
        raise InputError(f"{path} is not a text-to-semantic model of GPT-SoVITS")
    return GptCheckpoint(hps, weights, str(contents.get("info", "")))


def _read_safetensors(path: Path, kind: str, device: torch.device | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            about = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as safetensors: {error}") from error
    if about.get("kind") != kind:
        raise InputError(f"{path} is not a {kind} model of voicemill (its metadata says {about.get('kind')!r})")
    return weights, about


def _save_safetensors(path: Path, weights: Mapping[str, Tensor], about: dict[str, Any]) -> None:
    halves = {key: weights[key].detach().half().cpu().contiguous() for key in sorted(weights)}
    with _replacing(path) as partial:
        partial.write_bytes(save(halves, {_METADATA: json.dumps(about, ensure_ascii=False, sort_keys=True)}))


def published_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a voice needs to speak: half precision, without the posterior encoder."""
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
    weights = checkpoint.weights
    halves = {key: value.half() for key, value in weights.items()} if as_base else published_weights(weights)
    contents = {"weight": halves, "config": _held(checkpoint.hps), "info": checkpoint.info}
    write_reference_file(path, contents, "PK" if as_base else _WRITTEN_HEADERS.get(checkpoint.version, "PK"))


def export_discriminator(path: Path, weights: Mapping[str, Tensor], hps: Mapping[str, Any]) -> None:
    """Write a discriminator as the reference's base file."""
    halves = {key: value.half() for key, value in weights.items()}
    write_reference_file(path, {"weight": halves, "config": _held(hps), "info": ""})


def export_gpt(path: Path, checkpoint: GptCheckpoint) -> None:
    """Write a text-to-semantic model as the reference's `.ckpt`."""
    weights = {f"model.{key}": value.half() for key, value in checkpoint.weights.items()}
    write_reference_file(path, {"weight": weights, "config": checkpoint.hps, "info": checkpoint.info})


def build_generator(checkpoint: SovitsCheckpoint, device: torch.device | str = "cpu") -> Generator:
    """The generator ready to speak: weight norm folded, evaluation mode, single precision.

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
