import os
import re
import stat
from pathlib import Path

import pytest

from voicemill.core.files import is_partial, put_in_place, replacing, write_text

ROOT = Path(__file__).parents[2]


def test_a_file_is_replaced_when_its_block_ends(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
        assert is_partial(partial)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(OSError, match="full"), replacing(path) as partial:
        partial.write_text("ne")
        raise OSError("the disk is full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_at_a_time_both_write_whole(tmp_path: Path):
    path = tmp_path / "a.json"
    with replacing(path) as first, replacing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first", "whoever ends last wins"


def test_a_secret_is_never_readable_by_others(tmp_path: Path):
    path, umask = tmp_path / "token", os.umask(0)
    try:
        with replacing(path, mode=0o600) as partial:
            assert stat.S_IMODE(partial.stat().st_mode) == 0o600
            partial.write_text("secret")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path: Path):
    path = tmp_path / ("a" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    with replacing(path, durable=False) as partial:
        partial.write_text("whole")
    assert path.read_text() == "whole"


def test_a_folder_takes_the_place_of_one_with_content(tmp_path: Path):
    for name in ("old", "new"):
        write_text(tmp_path / name / f"{name}.txt", name)
    put_in_place(tmp_path / "new", tmp_path / "old")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["old", "old/new.txt"]


def test_no_other_module_renames_files_it_has_written():
    own_way = re.compile(r"os\.(replace|rename)\(|NamedTemporaryFile|mkstemp|\w*partial\w*\.(replace|rename)\(")
    found = [
        path.relative_to(ROOT).as_posix()
        for folder in ("voicemill", "stages", "workflows")
        for path in (ROOT / folder).rglob("*.py")
        if own_way.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["voicemill/core/files.py"]
