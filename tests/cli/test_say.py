"""`voicemill say`, as a person types it."""

from __future__ import annotations

import os
import stat
import wave
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner, Result

from tests.real_whisper import whisper_models
from tests.small_voice import hearing_models, make_voice, small_models
from voicemill import UsageError
from voicemill.cli.main import app

__all__ = ["whisper_models"]
LINE = "She put the cake on the table."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_voice(tmp_path_factory.mktemp("voice"))


def say(folder: Path, *arguments: str, given: str | None = None) -> Result:
    options = ["--voice", str(folder), "--models", str(small_models()), "--device", "cpu"]
    return CliRunner().invoke(app, ["say", *arguments, *options], input=given)


def test_a_text_becomes_a_marked_file_and_its_times_are_told(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "said.wav"
    done = say(folder, LINE, "--out", str(out), "--seed", "3")
    assert done.exit_code == 0, done.output
    assert "first sound after" in done.stderr and "real-time factor" in done.stderr
    assert done.stdout.strip() == str(out)
    with wave.open(str(out)) as file:
        assert (file.getframerate(), file.getnchannels()) == (32000, 1)
        assert file.getnframes() > 32000
    assert '"seed": 3' in soundfile.SoundFile(out).comment


@pytest.mark.whisper
def test_what_whisper_hears_is_told(folder: Path, whisper_models: Path, tmp_path: Path) -> None:
    models = hearing_models(tmp_path / "models", whisper_models)
    options = ["--voice", str(folder), "--models", str(models), "--device", "cpu"]
    done = CliRunner().invoke(app, ["say", LINE, *options, "--out", str(tmp_path / "said.wav"), "--verify"])
    assert done.exit_code == 0, done.output
    assert "cake" in done.output.partition("heard: ")[2]
    assert float(done.output.partition("error rate: ")[2].split()[0]) < 0.5


def test_lines_on_standard_input_are_spoken_one_after_the_other(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "said.wav"
    done = say(folder, "--out", str(out), given="One apple.\n\nTwo pears 😀.\n")
    assert done.exit_code == 0, done.output
    assert done.stderr.count("first sound after") == 2
    assert "not pronounced: 😀 (at 21)" in done.stderr


def test_a_player_gets_the_samples(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player = tmp_path / "ffplay"
    player.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/arguments\nexec cat >{tmp_path}/played\n')
    player.chmod(player.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    done = say(folder, LINE, "--play", "--out", str(tmp_path / "said.wav"))
    assert done.exit_code == 0, done.output
    assert "-ar 32000" in (tmp_path / "arguments").read_text()
    with wave.open(str(tmp_path / "said.wav")) as file:
        assert (tmp_path / "played").read_bytes() == file.readframes(file.getnframes())


def test_a_player_that_fails_is_told(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    player = tmp_path / "ffplay"
    player.write_text("#!/bin/sh\ncat >/dev/null\nexit 3\n")
    player.chmod(player.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    done = say(folder, LINE)
    assert isinstance(done.exception, UsageError)
    assert "ffplay failed (3); write a file with --out" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["One.", "--out", "said.mp3"], "let the name end in .wav"),
        (["--out", "said.wav"], "there is nothing to say"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_to_do(folder: Path, arguments: list[str], said: str) -> None:
    done = say(folder, *arguments, given="\n")
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)


def test_without_a_player_or_a_voice_it_says_what_to_give(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "write a file with --out" in str(say(folder, LINE).exception)
    done = CliRunner().invoke(app, ["say", "One."], input="")
    assert "name a voice" in str(done.exception)
