"""No name that someone else wrote leads out of the folder that it is joined to."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicemill.core.errors import InputError
from voicemill.core.safe_paths import safe_join, what_is_wrong

HOSTILE = [
    "",
    ".",
    "..",
    "/",
    "/etc/passwd",
    "//server/share",
    "../evil",
    "a/../../evil",
    "a/..",
    "a/./b",
    "./a",
    "a//b",
    "a/",
    "a\0b",
    "a\nb",
    "a\x1b[31mb",
    "a\x7f",
    "a\x85b",
    "a\u2028b",
    "..\\evil",
    "a\\b",
    "C:evil",
    "c:/evil",
    "\uff0e\uff0e/evil",  # fullwidth full stops
    "\u2025/evil",  # two dot leader
    "\u2024\u2024/evil",  # one dot leaders
    "\ufe52\ufe52/evil",  # small full stops
    "\uff0e",
    "\uff0fetc\uff0fpasswd",  # fullwidth solidus
    "a\uff0f\uff0e\uff0e\uff0fb",
    "a\uff3cb",  # fullwidth reverse solidus
    "a\u2044b",  # fraction slash
    "a\u2215b",  # division slash
    "\uff23\uff1a",  # fullwidth C:
    "\u2100",  # "account of", whose compatibility form is a/c
    "\ud800",
    "x" * 256,
    "声" * 86,
    "/".join(["x" * 200] * 6),
]
HARMLESS = [
    "a",
    "a.wav",
    "clips/a_0000000000_0000064000.wav",
    ".hidden",
    "..a",
    "a..",
    "...",
    "a b",
    " a",
    "翠 song.wav",
    "café",
    "cafe\u0301",
    "Ｊ１.wav",
    "wait…",
    "-rf",
    "~",
    "$(x)",
    "ab:c",
    "x" * 255,
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_is_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is refused: ") as refused:
        safe_join(tmp_path, name)
    assert str(refused.value).isascii() or str(tmp_path) in str(refused.value)
    assert len(str(refused.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize("name", [None, 5, ["a"], {"a": 1}, b"a", True])
def test_only_texts_are_names(name: object) -> None:
    assert what_is_wrong(name) == "it is not a text"


@pytest.mark.parametrize("name", HARMLESS)
def test_an_ordinary_name_is_taken_as_it_is(name: str, tmp_path: Path) -> None:
    assert safe_join(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(
    "name", ["a\\b.wav", "Q: why?.wav", "Ａ／Ｂ.wav", "a\nb.wav", "1⁄2.wav", os.fsdecode(b"\xff.wav")]
)
def test_names_of_a_users_own_files_may_be_odd_but_not_lead_out(name: str, tmp_path: Path) -> None:
    assert what_is_wrong(name)
    assert safe_join(tmp_path, name, portable=False) == tmp_path / name
    for hostile in (f"../{name}", f"/{name}", f"{name}/..", f"a//{name}", f"{name}\0"):
        assert what_is_wrong(hostile, portable=False)


def test_links_inside_the_folder_do_not_lead_out(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "inside").mkdir(parents=True)
    outside.mkdir()
    (root / "file").symlink_to(outside / "file")
    (root / "folder").symlink_to(outside)
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")
    (root / "home").symlink_to(root / "inside")
    for name in ("file", "folder/x", "up/outside/x", "up", "loop/x"):
        with pytest.raises(InputError, match="is refused"):
            safe_join(root, name)
    assert safe_join(root, "home/x") == root / "home" / "x"


def test_the_folder_itself_may_be_a_link_or_not_exist(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert safe_join(tmp_path / "link", "a") == tmp_path / "link" / "a"
    assert safe_join(tmp_path / "none" / "yet", "a/b") == tmp_path / "none" / "yet" / "a" / "b"
    assert safe_join(Path("relative"), "a") == Path("relative/a")


PARTS = st.one_of(
    st.sampled_from(
        [".", "..", "", "/", "\\", "\0", "C:", "~", "a", "link", "up", "\uff0e", "\u2025", "\uff0f", "\u2215"]
    ),
    st.text(max_size=6),
    st.text(alphabet="./\\:a\uff0e\uff0f\u2024", max_size=6),
)
NAMES = st.one_of(
    st.text(max_size=40), st.lists(PARTS, max_size=6).map("/".join), st.lists(PARTS, max_size=6).map("".join)
)


@given(NAMES, st.booleans())
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_name_is_the_result_lies_below_the_folder(tmp_path: Path, name: str, portable: bool) -> None:
    root = tmp_path / "root"
    if not root.exists():
        root.mkdir()
        (root / "link").symlink_to(tmp_path)
        (root / "up").symlink_to("..")
    try:
        path = safe_join(root, name, portable=portable)
    except InputError:
        return
    real = os.path.realpath(path)
    assert real.startswith(os.path.realpath(root) + "/")
    if portable:
        # Nor does it on a system that normalizes names, or reads backslashes as separators.
        for form in ("NFC", "NFD", "NFKC", "NFKD"):
            other = unicodedata.normalize(form, name).replace("\\", "/")
            assert os.path.normpath(os.path.join("/root", other)).startswith("/root/")
            assert other.count("/") == name.count("/")
