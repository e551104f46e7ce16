"""The reference's checkpoint files, read without running anybody's code.

They are torch zips of `{"weight", "config", "info"}`. Those of v2Pro, v2ProPlus and LoRAs have two digits in place of
the zip's "PK", which tell the version. SoVITS files pickle their configuration as an instance of the reference's
`utils.HParams`, a plain holder of attributes: the one class that the reader admits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.formats.safe_reader import UnreadableCheckpoint, plain, read_archive


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
V5_HEADERS = {
    "07": Kind("v2", "v5dev", True),
    "08": Kind("v2", "v5turbo", True),
}
"""The same for V5, which is not in the reference: it is recognised and not run (docs/how-to/versions.md)."""

PUBLISHED = {
    "dc3c97e17592963677a4a1681f30c653": Kind("v2", "v2", False),
    "43797be674a37c1c83ee81081941ed0f": Kind("v2", "v3", False),
    "6642b37f3dbb1f76882b69937c95a5f3": Kind("v2", "v2", False),
    "4f26b9476d0c5033e04162c486074374": Kind("v2", "v4", False),
    "c7e9fce2223f3db685cdfa1e6368728a": Kind("v2", "v2Pro", False),
    "66b313e39455b57ab1b0bc0b239c9d0a": Kind("v2", "v2ProPlus", False),
}
"""Published base files by the md5 of their first 8192 bytes."""
V5_PUBLISHED = {
    "c4ce1f839a0d271e41963f9fb16ade76": Kind("v2", "v5dev", False),
    "6bc5cb2a195cc8ec22b2e723cd4d6f47": Kind("v2", "v5turbo", False),
}
"""The same for V5."""


def kind_by_header(path: Path) -> Kind | None:
    """Return what the file's opening bytes tell, or None for a plain zip."""
    with path.open("rb") as file:
        opening = file.read(8192)
    digest = hashlib.md5(opening, usedforsecurity=False).hexdigest()
    known = (PUBLISHED | V5_PUBLISHED).get(digest)
    return known or (HEADERS | V5_HEADERS).get(opening[:2].decode("latin1"))


def read_reference_file(path: Path) -> dict[str, Any]:
    """Return the contents of a `.pth` or `.ckpt` of the reference; nothing in it is executed.

    Raises:
        InputError: If the file is damaged, or holds anything but tensors, plain containers and `utils.HParams`.
    """
    try:
        contents = read_archive(path)
    except UnreadableCheckpoint as error:
        raise InputError(f"{path} is refused: {error}; get it again from a source that you trust") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    weights = contents.get("weight") if isinstance(contents, dict) else None
    if not isinstance(weights, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in weights.items()
    ):
        raise InputError(f"{path} has no weights where GPT-SoVITS puts them; is it a GPT-SoVITS weights file?")
    return contents


def configuration(path: Path, contents: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `config` of a file as plain values; empty where there is none.

    Raises:
        InputError: If it is not a configuration.
    """
    try:
        found = plain(contents.get("config") or {})
    except UnreadableCheckpoint as error:
        raise InputError(f"{path} is refused: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("model", {}), dict):
        raise InputError(f"{path} has a configuration that GPT-SoVITS does not write")
    return found


def information(contents: Mapping[str, Any]) -> str:
    """Return the `info` of a file, how it was made, as a short text; empty where it is none."""
    found = contents.get("info", "")
    return display(found) if isinstance(found, str | int | float) else ""
