from pathlib import Path

import pytest

from voicemill.audio import recordings

NAMES = [
    "中文文件名 测试",
    "$(touch made)",
    ".hidden",
    "-dash",
    "a/../b",
    "x" * 300,
    "🎤",
    "cafe\u0301",
    "per%20%s",
    "a|b",
    "\\",
]


@pytest.mark.parametrize("stem", NAMES)
def test_a_recordings_name_is_safe_and_short(stem):
    name = recordings.name_for(stem + ".wav", "0123456789abcdef")
    assert name.endswith("-01234567")
    assert all(character.isalnum() or character in "_-" for character in name)
    assert name[0].isalnum() and len(name.encode()) < 180


def test_letters_of_any_script_stay_legible():
    assert recordings.name_for("dir/中文 a.wav", "ab" * 32) == "中文_a-abababab"
    assert recordings.name_for("cafe\u0301.wav", "ab" * 32) == recordings.name_for("caf\u00e9.wav", "ab" * 32)


def test_the_manifest_comes_back_as_it_was(tmp_path):
    written = recordings.Recording("中-01234567", 'a/it\'s "中".wav', "01" * 32, 16_000, 2, 1.5, ("fixed",))
    recordings.write_manifest(tmp_path, [written])
    assert recordings.read_manifest(tmp_path) == {written.name: written}


def test_cleaned_recordings_stand_in_front_of_uncleaned_ones(tmp_path):
    folders = [tmp_path / name for name in ("vocals", "dereverbed", "denoised")]
    for folder, names in zip(folders, (["a", "b", "c"], ["b", "c"], ["c"]), strict=True):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.wav").touch()
    found = recordings.overlay(*folders)
    assert {name: path.parent.name for name, path in found.items()} == {
        "a": "vocals",
        "b": "dereverbed",
        "c": "denoised",
    }
    assert set(recordings.overlay(Path(folders[0]), None, None)) == {"a", "b", "c"}
