"""A safetensors file is opened only when its header describes the file exactly."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voicemill.core.errors import InputError
from voicemill.core.untrusted import read_safetensors_header

TENSOR = {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}


def write(path: Path, header: Any, data: bytes = b"\0" * 4, *, claims: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if claims is None else claims) + text + data)
    return path


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    tensors = {kind: np.ones((3, 2), kind) for kind in ("float64", "float32", "float16", "int64", "bool", "uint8")}
    tensors |= {"scalar": np.ones((), "int8"), "none": np.ones((0, 5), "int16")}
    library.save_file(tensors, tmp_path / "a.safetensors", {"about": "é"})
    header = read_safetensors_header(tmp_path / "a.safetensors")
    assert header.metadata == {"about": "é"}
    assert {name: shape for name, (_, shape) in header.tensors.items()} == {
        name: tuple(tensor.shape) for name, tensor in tensors.items()
    }


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ({"a": TENSOR, "b": TENSOR}, "overlap or leave gaps"),
        ({"a": TENSOR, "b": {**TENSOR, "data_offsets": [8, 12]}}, "overlap or leave gaps"),
        ({"a": {**TENSOR, "data_offsets": [4, 8]}}, "overlap or leave gaps"),
        ({"a": {**TENSOR, "data_offsets": [0, 400], "shape": [200]}}, "it was cut or is damaged"),
        ({}, "it was cut or is damaged"),
        ({"a": {**TENSOR, "shape": [3]}}, "do not fit its type and shape"),
        ({"a": {**TENSOR, "shape": [2**33, 2**33]}}, "do not fit its type and shape"),
        ({"a": {**TENSOR, "shape": [0, 2**62], "data_offsets": [0, 0]}}, "is damaged"),
        ({"a": {**TENSOR, "shape": [-2]}}, "is damaged"),
        ({"a": {**TENSOR, "shape": [True, 2]}}, "is damaged"),
        ({"a": {**TENSOR, "shape": "2"}}, "is damaged"),
        ({"a": {**TENSOR, "shape": [1] * 9 + [2]}}, "is damaged"),
        ({"a": {**TENSOR, "data_offsets": [4, 0]}}, "do not fit its type and shape"),
        ({"a": {**TENSOR, "data_offsets": [0]}}, "is damaged"),
        ({"a": {**TENSOR, "dtype": "F4"}}, "of type F4, which no voice has"),
        ({"a": {**TENSOR, "dtype": ["F16"]}}, "is damaged"),
        ({"a": 5}, "is damaged"),
        ({"\x1b[31m": 5}, r"the tensor \\x1b\[31m"),
        ({"__metadata__": {"a": 1}, "a": TENSOR}, "not a table of strings"),
        ({"__metadata__": [], "a": TENSOR}, "not a table of strings"),
        ({f"t{i}": {**TENSOR, "shape": [0], "data_offsets": [0, 0]} for i in range(20_001)}, "more than 20000 tensors"),
        (b"[" * 100_000, "nested deeper"),
        (b'{"a":1,"a":2}', "appears twice"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_header_that_lies_is_refused(header: Any, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"a.safetensors cannot be used: .*{problem}"):
        read_safetensors_header(write(tmp_path / "a.safetensors", header))


def test_a_length_that_the_file_does_not_have_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for claims in (2**63, 2**40, 1000):
        with pytest.raises(InputError, match="its header claims"):
            read_safetensors_header(write(tmp_path / "a.safetensors", {"a": TENSOR}, claims=claims))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"1234567")
    for name, problem in (("short", "too short"), ("none", "does not exist"), ("", "not a regular file")):
        with pytest.raises(InputError, match=problem):
            read_safetensors_header(tmp_path / name)
