"""Whatever bytes a reader is given, it answers within a second: with a value, or a sentence that names the file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemill.core import untrusted
from voicemill.core.errors import InputError

YAML_BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
DEEP = 200_000
REFUSED_BY_ALL = {"NUL": b"\0" * 100, "UTF-16": '{"a": 1}'.encode("utf-16"), "Latin-1": '{"a": "é"}'.encode("latin-1")}
JSON = {
    "empty": b"",
    "another type": b"[]",
    "deep lists": b"[" * DEEP,
    "deep objects": b'{"a":' * (DEEP // 2),
    "deep and closed": b'{"a":' + b"[" * 65 + b"]" * 65 + b"}",
    "unclosed string of escapes": b'{"a": [' * 33 + b'"' + b'\\"' * 500_000,
    "integer": b'{"a": ' + b"9" * 6000 + b"}",
    "negative integer": b'{"a": -' + b"9" * 41 + b"}",
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "overflow": b'{"a": 1e999}',
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "half a surrogate pair as a key": b'{"\\udfff": 1}',
    "a key twice": b'{"a": {"b": 1, "b": 2}}',
    "cut": b'{"a": "b',
    "two documents": b"{} {}",
}
YAML = {
    "empty": b"",
    "another type": b"- a",
    "deep lists": b"[" * DEEP,
    "deep objects": b"{a: " * DEEP,
    "deep by indentation": "\n".join(" " * i + "a:" for i in range(500)).encode(),
    "deep sequences": b"- " * DEEP,
    "aliases": YAML_BOMB.encode(),
    "an alias to what holds it": b"a: &a [*a]",
    "a merge of itself": b"a: &a\n  <<: *a\n",
    "an unknown alias": b"a: *b",
    "a Python object": b"a: !!python/object/apply:os.system ['true']",
    "binary": b"a: !!binary '!!!'",
    "a set": b"a: !!set {b}",
    "integer": b"a: " + b"9" * 6000,
    "no integer": b"a: !!int x",
    "no number": b"a: .nan",
    "infinity": b"a: .inf",
    "a list as a key": b"a: {[1, 2]: 3}",
    "half a surrogate pair": b'a: "\\ud800"',
    "a key twice": b"a: {b: 1, b: 2}",
    "cut": b"a: [b",
    "two documents": b"a: 1\n---\na: 2",
}
CSV = {"a large cell": b"a,b\n" + b"x" * 200_000, "an open quote": b'a,b\n"a', "many columns": b"," * 2_000}
READERS: dict[str, Callable[[bytes], object]] = {
    "JSON": lambda data: untrusted.parse_json(data, "in.json", dict, hint="do this"),
    "YAML": lambda data: untrusted.parse_yaml(data, "in.yaml", dict, hint="do this"),
    "CSV": lambda data: list(untrusted.parse_csv(data, "in.csv", hint="do this")),
}
CASES = [
    pytest.param(kind, data, id=f"{kind}-{name}")
    for kind, cases in {"JSON": JSON, "YAML": YAML, "CSV": CSV}.items()
    for name, data in {**cases, **REFUSED_BY_ALL}.items()
]


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_a_hostile_document_is_refused_within_a_second(kind: str, data: bytes) -> None:
    start = time.monotonic()
    with pytest.raises(InputError, match=rf"in\.{kind.lower()} cannot be used: .*; do this$") as refused:
        READERS[kind](data)
    assert time.monotonic() - start < 1
    assert len(str(refused.value)) < 500


@given(st.sampled_from(sorted(READERS)), st.binary(max_size=60) | st.text('{}[]":,-*&!\\u0de\n ab', max_size=60))
def test_nothing_but_a_sentence_comes_of_any_bytes(kind: str, data: bytes | str) -> None:
    try:
        READERS[kind](data if isinstance(data, bytes) else data.encode())
    except InputError as error:
        assert "cannot be used" in str(error)


def test_a_byte_order_mark_is_left_out() -> None:
    assert READERS["JSON"]('\ufeff{"a": "é"}'.encode()) == {"a": "é"}
    assert READERS["YAML"]("\ufeffa: é".encode()) == {"a": "é"}
    assert READERS["CSV"]("\ufeffa,é\r\n\r\n1,2".encode()) == [(1, ["a", "é"]), (3, ["1", "2"])]


def test_brackets_inside_of_strings_are_not_depth() -> None:
    assert READERS["JSON"](b'{"a": "' + b"[" * 1000 + b'", "b": "\\"[[["}')
    many = b'{"a": [' + b",".join([b"[{}]"] * 1000) + b"]}"
    assert READERS["JSON"](many)


def test_yaml_has_the_values_of_json_and_aliases_are_taken() -> None:
    text = "base: &base {a: 1, b: [true, null, 2.5]}\nday: 2026-01-01\nmore: {<<: *base, c: *base}\n"
    base = {"a": 1, "b": [True, None, 2.5]}
    assert READERS["YAML"](text.encode()) == {"base": base, "day": "2026-01-01", "more": {**base, "c": base}}


def test_a_diverged_training_is_read_where_the_reader_says_so() -> None:
    found = untrusted.parse_json(b'{"loss": NaN, "large": 1e999}', "metrics.json", dict, nan=True)
    assert found["loss"] != found["loss"] and found["large"] == float("inf")


def test_json_lines_say_which_line(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text('{"a": "\u2028"}\n\n{"a": 2}\n[3]\n', encoding="utf-8")
    rows = untrusted.read_json_lines(file)
    assert next(rows) == (1, {"a": "\u2028"}) and next(rows) == (3, {"a": 2})
    with pytest.raises(InputError, match=r"line 4 of .*in\.jsonl cannot be used: it is not a JSON object"):
        next(rows)


def test_only_regular_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"[]" * 50)
    for path, problem in (
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path, "not a regular file"),
        (tmp_path / "none", "does not exist"),
        (tmp_path / "large" / "none", "does not exist"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path / "large", "more than 99 bytes"),
    ):
        with pytest.raises(InputError, match=problem):
            untrusted.read_bytes(path, most_bytes=99)
