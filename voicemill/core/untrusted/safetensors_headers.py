"""The header of a safetensors file, checked before a library or a model sees it."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicemill.core.display import display
from voicemill.core.untrusted.files import Unreadable, read_bytes, refused
from voicemill.core.untrusted.json_documents import parse_json

MOST_BYTES = 4 * 2**20
"""Of a header; the largest of our models has about 100 KB."""
MOST_TENSORS = 20_000
MOST_DIMENSIONS = 8

ELEMENT_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
"""Bytes of an element by type; no other types may be in a file."""


@dataclass(frozen=True)
class Header:
    """What a safetensors file says of itself: its metadata, and type and shape of each tensor."""

    metadata: Mapping[str, str]
    tensors: Mapping[str, tuple[str, tuple[int, ...]]]


def read_safetensors_header(path: Path, *, hint: str = "") -> Header:
    """Read and check the header of a safetensors file.

    Raises:
        InputError: If it is not one: too short, too large a header, tensors that overlap, leave gaps or reach beyond
            the file, types or shapes that no model has.
    """
    if not path.is_file():
        read_bytes(path, hint=hint)  # says why it cannot be read
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if len(start) < 8:
                raise Unreadable("it is too short for a safetensors file")
            size = struct.unpack("<Q", start)[0]
            there = path.stat().st_size
            if size > min(MOST_BYTES, there - 8):
                raise Unreadable(f"its header claims {size} bytes; the file has {there}, and {MOST_BYTES} are allowed")
            text = file.read(size)
        header = parse_json(text, f"the header of {display(path, 250)}", dict, hint=hint)
        return _checked(header, there - 8 - size)
    except OSError as error:
        raise refused(path, error.strerror or error, hint) from error
    except Unreadable as error:
        raise refused(path, error, hint) from error


def _checked(header: dict[str, Any], data_bytes: int) -> Header:
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise Unreadable("its metadata is not a table of strings")
    if len(header) > MOST_TENSORS:
        raise Unreadable(f"it has more than {MOST_TENSORS} tensors")
    places: list[tuple[int, int]] = []
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, fields in header.items():
        try:
            kind, shape = fields["dtype"], tuple(fields["shape"])
            begin, end = fields["data_offsets"]
            if kind not in ELEMENT_BYTES:
                raise Unreadable(f"the tensor {display(name)} is of type {display(kind)}, which no voice has")
            if len(shape) > MOST_DIMENSIONS or not all(_is_count(each) for each in (*shape, begin, end)):
                raise ValueError
        except Unreadable:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise Unreadable(f"the entry of the tensor {display(name)} is damaged") from error
        if end - begin != math.prod(shape) * ELEMENT_BYTES[kind]:
            raise Unreadable(f"the tensor {display(name)} has {end - begin} bytes, which do not fit its type and shape")
        places.append((begin, end))
        tensors[name] = (kind, shape)
    position = 0
    for begin, end in sorted(places):
        if begin != position:
            raise Unreadable("its tensors overlap or leave gaps")
        position = end
    if position != data_bytes:
        raise Unreadable(
            f"its tensors take {position} bytes and the file has {data_bytes} for them: it was cut or is damaged"
        )
    return Header(metadata, tensors)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**48
