"""A base in few bytes: int8 numbers with a scale for each row, of which the public files are made again.

    hubert.safetensors  sovits-g.safetensors  sovits-d.safetensors  gpt.safetensors

Metadata holds what a public file says beside its weights, and which tensors are copies of another. A matrix is a row of
numbers for each index of its first dimension; it becomes int8 `name` and float32 `name::scale`, and a number comes back
within half a scale of what it was. Short rows, biases and norms stay in half precision.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from voicemill.core import untrusted
from voicemill.core.errors import InputError
from voicemill.core.files import replacing
from voicemill.gpt_sovits.formats import pickle_writer, safetensors_files
from voicemill.models.layout import locate, place
from voicemill.models.placing import DEFAULTS, VERSION, put, put_defaults

SMALL = Path(__file__).with_name("small")
"""The small base that comes with the package; images leave it out."""
KIND = "packed"
NAMES = ("hubert", "sovits-g", "sovits-d", "gpt")
HUBERT_WEIGHTS = "model.safetensors"
_SCALE = "::scale"
_SHORT = 16
"""Rows of fewer numbers gain little: each has a scale of four bytes."""
_STEPS = 127


def pack(base: Path, folder: Path) -> int:
    """Write the models of a base as a packed base.

    Args:
        base: Models folder, such as pretrain makes.
        folder: Where to; files of the same names are replaced.

    Returns:
        The bytes written.

    Raises:
        InputError: A model is missing, or holds NaN or infinite values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for name, (weights, hps, info) in _read_base(base).items():
        arrays, copies = without_copies(squeeze(weights, base / place(name, VERSION)))
        about = {"kind": KIND, "model": name, "hps": hps, "info": info, "copies": copies}
        content = _save(arrays, {safetensors_files.METADATA: _json(about)})
        with replacing(folder / f"{name}.safetensors") as partial:
            partial.write_bytes(content)
        written += len(content)
    return written


def unpack(folder: Path, destination: str) -> None:
    """Make the public files of a packed base again.

    Args:
        folder: The packed base.
        destination: Models folder or s3:// address, which gets them and a record of them.

    Raises:
        InputError: It is not a complete packed base.
    """
    with tempfile.TemporaryDirectory(prefix="voicemill-unpacked-") as scratch:
        laid_out = Path(scratch)
        for name in NAMES:
            packed = folder / f"{name}.safetensors"
            if not packed.is_file():
                raise InputError(f"{folder} is not a packed base: {packed.name} is missing")
            arrays, about = safetensors_files.read_weights(packed, KIND)
            if about.get("model") != name:
                raise InputError(f"{packed} is refused: it says that it holds the model {about.get('model')!r}")
            path = laid_out / place(name, VERSION)
            path.parent.mkdir(parents=True, exist_ok=True)
            arrays = with_copies(arrays, about.get("copies", {}), packed)
            _write(name, path, expand(arrays, packed), about["hps"], about["info"])
        put(laid_out, destination)
        if (folder / DEFAULTS).is_file():
            put_defaults((folder / DEFAULTS).read_text(encoding="utf-8"), destination)


def without_copies(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays of which none is as another is, and for each that was left out the name of its like.

    A codebook that does not move is there twice, as itself and as the average of what is near it.
    """
    kept, copies, known = {}, {}, {}
    for name, array in arrays.items():
        first = known.setdefault((array.dtype.str, array.shape, array.tobytes()), name)
        if first == name:
            kept[name] = array
        else:
            copies[name] = first
    return kept, copies


def with_copies(arrays: Mapping[str, np.ndarray], copies: Mapping[str, str], path: Path) -> dict[str, np.ndarray]:
    """Return what `without_copies` was given.

    Args:
        arrays: Those that it kept.
        copies: The names that it gave.
        path: Where they are from, for messages.

    Raises:
        InputError: The like of one is not there.
    """
    absent = sorted(set(copies.values()) - set(arrays))
    if absent:
        raise InputError(f"{path} is refused: it has no {absent[0]}, which another is a copy of")
    return {**arrays, **{name: arrays[first] for name, first in copies.items()}}


def squeeze(weights: Mapping[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """Return weights as they are packed.

    Args:
        weights: Floating-point arrays.
        path: Where they are from, for messages.

    Raises:
        InputError: One of them is something else, or holds NaN or infinite values.
    """
    packed: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise InputError(f"{path} cannot be packed: {name} holds values that are not finite numbers")
        if array.ndim < 2 or array[:1].size < _SHORT:
            packed[name] = array.astype(np.float16)
            continue
        rows = array.astype(np.float32).reshape(len(array), -1)
        scale = np.abs(rows).max(1) / _STEPS
        steps = np.rint(rows / np.where(scale > 0, scale, 1)[:, None])
        packed[name] = steps.astype(np.int8).reshape(array.shape)
        packed[name + _SCALE] = scale
    return packed


def expand(packed: Mapping[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    """Return the weights in half precision, of what `squeeze` gave.

    Args:
        packed: Its arrays.
        path: Where they are from, for messages.

    Raises:
        InputError: Numbers and scales do not belong together.
    """
    weights: dict[str, np.ndarray] = {}
    scales = {name.removesuffix(_SCALE): array for name, array in packed.items() if name.endswith(_SCALE)}
    for name, array in packed.items():
        if name.endswith(_SCALE):
            continue
        scale = scales.pop(name, None)
        if array.dtype == np.float16 and scale is None:
            weights[name] = array
        elif array.dtype == np.int8 and array.ndim > 1 and scale is not None and scale.shape == (len(array),):
            rows = array.reshape(len(array), -1) * scale.astype(np.float32)[:, None]
            weights[name] = rows.astype(np.float16).reshape(array.shape)
        else:
            of_scale = "no scale" if scale is None else f"a scale of shape {scale.shape}"
            raise InputError(f"{path} is refused: {name} is {array.dtype} of shape {array.shape} with {of_scale}")
    if scales:
        raise InputError(f"{path} is refused: a scale without numbers, of {', '.join(sorted(scales))}")
    return weights


def _read_base(base: Path) -> dict[str, tuple[dict[str, np.ndarray], dict[str, Any], str]]:
    """Return weights, configuration and description of each model."""
    from voicemill.gpt_sovits.formats.checkpoints import load_discriminator, load_gpt, load_sovits

    hubert, sovits, discriminator, gpt = (locate(base, name, VERSION) for name in NAMES)
    if not (hubert / HUBERT_WEIGHTS).is_file():
        raise InputError(f"{hubert} cannot be packed: it has no {HUBERT_WEIGHTS}")
    hubert_weights, _ = safetensors_files.read_weights(hubert / HUBERT_WEIGHTS)
    hubert_config = untrusted.read_json(hubert / "config.json", dict)
    generator, tokens = load_sovits(sovits), load_gpt(gpt)
    if generator.version != VERSION:
        raise InputError(f"{sovits} cannot be packed: it is a {generator.version} model instead of a {VERSION} one")
    return {
        "hubert": (hubert_weights, hubert_config, ""),
        "sovits-g": (_arrays(generator.weights), generator.hps, generator.info),
        "sovits-d": (_arrays(load_discriminator(discriminator)), generator.hps, ""),
        "gpt": (_arrays(tokens.weights), tokens.hps, tokens.info),
    }


def _write(name: str, path: Path, weights: dict[str, np.ndarray], hps: dict[str, Any], info: str) -> None:
    """A model's public file or folder."""
    if name == "hubert":
        path.mkdir()
        (path / "config.json").write_text(json.dumps(hps, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        (path / HUBERT_WEIGHTS).write_bytes(_save(weights, {"format": "pt"}))
    elif name == "gpt":
        pickle_writer.write_gpt(path, weights, hps, info)
    else:
        contents = {"weight": weights, "config": pickle_writer.held(hps), "info": info}
        pickle_writer.write_reference_file(path, contents)


def _save(arrays: Mapping[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    from safetensors.numpy import save

    return save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}, metadata)


def _json(about: dict[str, Any]) -> str:
    return json.dumps(about, ensure_ascii=False, sort_keys=True)


def _arrays(weights: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in weights.items()}
