"""Our own files of weights: safetensors in half precision, the reference's key names, a JSON entry `voicemill`.

Nothing here needs torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.formats import pickle_writer
from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.versions import VERSIONS, spec

METADATA = "voicemill"
_HINT = "get it again from a source that you trust"
_NUMPY_TYPES = {"F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"}


def read_weights(
    path: Path, kind: str | None = None, *, framework: str = "np", device: str = "cpu"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the weights of a safetensors file, and what voicemill wrote about them.

    Args:
        path: The file.
        kind: `sovits` or `gpt`, which it must be; None takes any file, whose metadata is then not to be relied on.
        framework: What the weights become: `np` for arrays, `pt` for tensors.
        device: Where tensors go.

    Raises:
        InputError: If it cannot be read, or is something else.
    """
    return _read(path, kind, framework, device, weights=True)


def read_about(path: Path, kind: str) -> dict[str, Any]:
    """Return what voicemill wrote about the weights of a file, which are not read.

    Raises:
        InputError: If it cannot be read, or is something else.
    """
    return _read(path, kind, "np", "cpu", weights=False)[1]


def export_files(sovits: Path, gpt: Path, pth: Path, ckpt: Path) -> None:
    """Write a voice's two files as the reference's `.pth` and `.ckpt`.

    Raises:
        InputError: If they were not written by voicemill, or have impossible sizes.
    """
    weights, about = read_weights(sovits, "sovits")
    hps, version = about["hps"], about["version"]
    if hps.get("model"):
        SovitsConfig.read(hps["model"], version)
    pickle_writer.write_sovits(pth, weights, hps, about["info"], version, about.get("lora_rank", 0))
    weights, about = read_weights(gpt, "gpt")
    pickle_writer.write_gpt(ckpt, weights, about["hps"], about["info"])


def _read(
    path: Path, kind: str | None, framework: str, device: str, *, weights: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    header = untrusted.read_safetensors_header(path, hint=_HINT)
    text = header.metadata.get(METADATA, "{}")
    about = untrusted.parse_json(text, f"the metadata of {display(path, 250)}", dict, hint=_HINT)
    if kind:
        _check_metadata(path, kind, about)
    unknown = next((each for each, _ in header.tensors.values() if each not in _NUMPY_TYPES), None)
    if weights and framework == "np" and unknown:
        raise InputError(f"{path} is refused: it holds weights of type {unknown}, which no voice has")
    try:
        with safe_open(path, framework, device=device) as file:
            read = {key: file.get_tensor(key) for key in file.keys()} if weights else {}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as safetensors: {error}") from error
    return read, about


def _check_metadata(path: Path, kind: str, about: dict[str, Any]) -> None:
    if about.get("kind") != kind:
        raise InputError(f"{path} is not a {kind} model of voicemill")
    if not isinstance(about.get("hps"), dict) or not isinstance(about.get("info"), str):
        raise InputError(f"{path} is refused: its metadata lacks the configuration")
    strange = kind == "sovits" and (about.get("version") not in VERSIONS or not _is_rank(about))
    if strange or not isinstance(about["hps"].get("model", {}), dict):
        raise InputError(f"{path} is refused: its metadata is none that voicemill writes")


def _is_rank(about: dict[str, Any]) -> bool:
    """Return whether the rank of a LoRA, if there is one, is a number, and the version one that has LoRAs."""
    rank = about.get("lora_rank", 0)
    return rank == 0 or (type(rank) is int and rank > 0 and bool(spec(about["version"]).lora_header))
