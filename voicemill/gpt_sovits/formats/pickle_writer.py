"""The reference's checkpoint files, written without torch: a torch zip is a pickle and the bytes of every tensor."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from voicemill.core.files import replacing
from voicemill.gpt_sovits.versions import spec


def _called(module: str, name: str) -> type:
    """Stands for something of that module, which a pickle only has to name."""
    return type(name, (), {"__module__": module})


class HParams:
    """Stands for the reference's `utils.HParams`: a holder of attributes."""


HParams.__module__, HParams.__qualname__ = "utils", "HParams"
_TENSOR = _called("torch._utils", "_rebuild_tensor_v2")
_STORAGES = {
    np.dtype(number): _called("torch", f"{name}Storage")
    for number, name in {"f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "i4": "Int", "u1": "Byte"}.items()
}
_STAND_INS = (HParams, _TENSOR, *_STORAGES.values())


def held(value: Any) -> Any:
    """Plain dicts as the holders that the reference expects."""
    if not isinstance(value, Mapping):
        return value
    holder = HParams()
    vars(holder).update({key: held(item) for key, item in value.items()})
    return holder


def write_sovits(
    path: Path, weights: Mapping[str, np.ndarray], hps: Mapping[str, Any], info: str, version: str, lora_rank: int = 0
) -> None:
    """Write a generator, or a LoRA of one, as the reference's `.pth`: half precision, without the posterior encoder.

    Args:
        path: File to write, whole or not at all.
        weights: Arrays by the reference's names.
        hps: The reference's whole configuration.
        info: How it was made, as the reference words it.
        version: Model version, of which the file's first two bytes tell.
        lora_rank: Rank of the LoRA; 0 for a whole generator.
    """
    # A LoRA's codebook has statistics that half precision does not hold; the reference, too, writes infinity for them.
    with np.errstate(over="ignore"):
        halves = {key: value.astype(np.float16) for key, value in weights.items() if "enc_q" not in key}
    contents = {"weight": halves, "config": held(hps), "info": info}
    if lora_rank:
        contents["lora_rank"] = lora_rank
    write_reference_file(path, contents, spec(version).lora_header if lora_rank else spec(version).header)


def write_gpt(path: Path, weights: Mapping[str, np.ndarray], hps: Mapping[str, Any], info: str) -> None:
    """Write a text-to-semantic model as the reference's `.ckpt`, in half precision, whole or not at all."""
    halves = {f"model.{key}": value.astype(np.float16) for key, value in weights.items()}
    write_reference_file(path, {"weight": halves, "config": dict(hps), "info": info})


def write_reference_file(path: Path, contents: dict[str, Any], header: str = "PK") -> None:
    """Write a file as the reference does, with `header` as its first two bytes; whole or not at all.

    Args:
        path: The file.
        contents: Plain values, `held` ones, and arrays (or tensors), which become tensors.
        header: `PK`, or the two digits that tell a version.
    """
    data, pickled = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        _Pickler(pickled, archive).dump(contents)
        for name, content in {"data.pkl": pickled.getvalue(), "byteorder": b"little", "version": b"3\n"}.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)
    data.getbuffer()[:2] = header.encode("ascii")
    with replacing(path) as partial:
        partial.write_bytes(data.getbuffer())


class _Storage:
    """The numbers of a tensor, which lie outside of the pickle."""

    def __init__(self, name: str, array: np.ndarray) -> None:
        self.identity = ("storage", _STORAGES[array.dtype], name, "cpu", array.size)


class _Pickler(pickle._Pickler):
    """Puts arrays beside the pickle as torch does, and names what is not importable here."""

    def __init__(self, file: io.BytesIO, archive: zipfile.ZipFile) -> None:
        super().__init__(file, protocol=2)
        self.archive = archive
        self.count = 0

    def persistent_id(self, obj: Any) -> Any:
        return obj.identity if isinstance(obj, _Storage) else None

    def reducer_override(self, obj: Any) -> Any:
        if not hasattr(obj, "__array__"):
            return NotImplemented
        array = np.asarray(obj, order="C")
        storage = _Storage(str(self.count), array)
        self.archive.writestr(zipfile.ZipInfo(f"archive/data/{self.count}"), array.tobytes())
        self.count += 1
        strides = tuple(stride // array.itemsize for stride in array.strides)
        return _TENSOR, (storage, 0, array.shape, strides, False, OrderedDict())

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj in _STAND_INS:
            self.write(pickle.GLOBAL + f"{obj.__module__}\n{obj.__name__}\n".encode())  # pyright: ignore[reportAttributeAccessIssue]
            self.memoize(obj)  # pyright: ignore[reportAttributeAccessIssue]
        else:
            super().save_global(obj, name)  # pyright: ignore[reportAttributeAccessIssue]

    dispatch = {**pickle._Pickler.dispatch, type: save_global}  # noqa: RUF012 # pyright: ignore
