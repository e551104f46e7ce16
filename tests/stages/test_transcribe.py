"""transcribe: own labels, recognition, and what becomes of clips without words."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.speech import DEMO_SPEAKER
from voicemill.asr import clips as recognition
from voicemill.asr.transcript import Rehearing, Transcript
from voicemill.audio.reading import read_mono, write_wav
from voicemill.audio.recordings import Recording, write_manifest
from voicemill.core.errors import InputError
from voicemill.dataset.labels import read
from voicemill.stages.transcribe import transcribe

RATE = 32_000


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips of one recording, one of another, a silent one and one that is not audio."""
    folder = tmp_path / "clips"
    folder.mkdir()
    wav = read_mono(DEMO_SPEAKER / "01_river_walk.ogg", RATE)
    spans = {"one-11111111": [(0, 4)], "two-22222222": [(4, 9), (9, 13)]}
    for name, parts in spans.items():
        for start, end in parts:
            path = folder / f"{name}_{start * RATE:010d}_{end * RATE:010d}.wav"
            write_wav(path, wav[start * RATE : end * RATE], RATE, "PCM_16")
    write_wav(folder / "zero.wav", np.zeros(RATE, np.float32), RATE, "PCM_16")
    (folder / "text.wav").write_text("no sound")
    return folder


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "audio"
    folder.mkdir()
    rows = [("one-11111111", "takes/one.flac"), ("two-22222222", "takes/two.flac")]
    write_manifest(folder, [Recording(name, source, "0" * 64, 44_100, 1, 10.0) for name, source in rows])
    return folder


def test_recognised_clips_have_words_confidence_and_source(clips: Path, tmp_path: Path) -> None:
    ledger = transcribe(clips, tmp_path / "t", models=str(tmp_path), speaker="demo", language="en")
    labels = read(tmp_path / "t" / "transcripts.list")
    assert [label.speaker for label in labels] == ["demo"] * 3
    assert "morning train" in labels[0].text
    rows = json.loads((tmp_path / "t" / "transcripts.json").read_text(encoding="utf-8"))
    assert [row["clip"] for row in rows] == [label.name for label in labels]
    assert all(row["source"] == "pocketsphinx" and 0 < row["confidence"] <= 1 for row in rows)
    assert rows[0]["seconds"] == 4.0
    reasons = {entry["item"]: entry["reason"] for entry in ledger.entries if entry["outcome"] == "dropped"}
    assert reasons["zero.wav"] == "the recogniser found no words in it"
    assert "text.wav is not audio" in reasons["text.wav"]


def test_own_labels_stand_and_the_rest_is_recognised(clips: Path, recordings: Path, tmp_path: Path) -> None:
    table = tmp_path / "transcripts.csv"
    table.write_text("file|text|lang\none.flac|My own words.|en\ntwo.flac|Nobody can tell where these are.|en\n")
    ledger = transcribe(
        clips, tmp_path / "t", recordings, models=str(tmp_path), speaker="s", transcripts_file=str(table), language="en"
    )
    entries = {entry["item"]: entry for entry in ledger.entries}
    texts = {label.name: label.text for label in read(tmp_path / "t" / "transcripts.list")}
    own, *cut = sorted(texts)
    assert texts[own] == "My own words."
    assert (entries[own]["source"], entries[own]["confidence"]) == ("label", 1.0)
    assert len(cut) == 2
    for clip in cut:
        assert entries[clip]["source"] == "pocketsphinx"
        assert "cut into 2 clips" in entries[clip]["label"]


def test_a_folder_that_is_labelled_throughout_needs_no_recogniser(clips: Path, tmp_path: Path) -> None:
    for path in ("zero.wav", "text.wav"):
        (clips / path).unlink()
    rows = [f"{path.name}|x|ZH|今天天气真不错" for path in sorted(clips.iterdir())]
    (tmp_path / "own.list").write_text("\n".join(rows), encoding="utf-8")
    ledger = transcribe(
        clips,
        tmp_path / "t",
        models=str(tmp_path),
        speaker="s",
        transcripts_file=str(tmp_path / "own.list"),
        language="zh",
    )
    assert ledger.summary()["sources"] == {"label": 3}
    assert {label.language for label in read(tmp_path / "t" / "transcripts.list")} == {"zh"}


def test_a_label_without_words_drops_its_clip(clips: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in clips.iterdir())
    rows = [f"{name}|x|EN|{'words' if name.startswith('two') else ''}" for name in names]
    (tmp_path / "own.list").write_text("\n".join(rows))
    ledger = transcribe(
        clips, tmp_path / "t", models=str(tmp_path), speaker="s", transcripts_file=str(tmp_path / "own.list")
    )
    assert ledger.kept == 2
    assert {e["reason"] for e in ledger.entries if e["item"].startswith(("one", "zero"))} == {
        "its transcript has no words"
    }


def test_too_few_clips_with_words_end_the_stage(clips: Path, tmp_path: Path) -> None:
    for path in clips.glob("*_*.wav"):
        path.unlink()
    with pytest.raises(InputError, match="0 clips with a transcript left, at least 2 needed"):
        transcribe(clips, tmp_path / "t", models=str(tmp_path), speaker="s", language="en")
    assert not (tmp_path / "t").exists()


def test_labels_of_other_clips_are_refused(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "own.list").write_text("somebody.wav|x|EN|words\n")
    with pytest.raises(InputError, match=r"own\.list matches a clip; the first: somebody\.wav"):
        transcribe(
            clips, tmp_path / "t", models=str(tmp_path), speaker="s", transcripts_file=str(tmp_path / "own.list")
        )


def test_a_bar_in_the_speakers_name_does_no_harm(clips: Path, tmp_path: Path) -> None:
    rows = [f"{path.name}|x|EN|some words here" for path in clips.glob("*_*.wav")]
    (tmp_path / "own.list").write_text("\n".join(rows))
    for path in ("zero.wav", "text.wav"):
        (clips / path).unlink()
    transcribe(clips, tmp_path / "t", models=str(tmp_path), speaker="a|b", transcripts_file=str(tmp_path / "own.list"))
    assert read(tmp_path / "t" / "transcripts.list")[0].speaker == "a_b"


class Guessing:
    """A recogniser that is sure of short clips, and of longer ones hears something else a second time."""

    name, trusted_above = "whisper", 0.55

    def transcribe_all(self, clips_16k: list[np.ndarray]) -> list[Transcript]:
        return [Transcript("the cat sat on the mat", "en", 0.9) for _ in clips_16k]

    def hear_again(self, clips_16k: list[np.ndarray], languages: list[str], texts: list[str]) -> list[Rehearing]:
        sure = Rehearing(["The cat sat on the mat."], 0.8)
        guessed = Rehearing(["the cat sat on the hat", "the bat sat in the hall"], 0.00003)
        return [guessed if len(clip) > 4.5 * 16_000 else sure for clip in clips_16k]


def test_what_is_heard_differently_a_second_time_is_flagged_and_doubted(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "recognizer", lambda *_: Guessing())
    ledger = transcribe(clips, tmp_path / "t", models=str(tmp_path), speaker="s", language="en")
    rows = {row["seconds"]: row for row in json.loads((tmp_path / "t" / "transcripts.json").read_text())}
    assert rows[4.0]["disagreement"] == 0 and "disagreement" not in rows[4.0]["flags"]
    assert rows[5.0]["disagreement"] > 0.2 and "disagreement" in rows[5.0]["flags"]
    assert rows[5.0]["doubt"] > rows[4.0]["doubt"] > 0
    assert (rows[4.0]["word_confidence"], rows[5.0]["word_confidence"]) == (0.8, 0.00003)
    assert "unlikely-word" in rows[5.0]["flags"] and "unlikely-word" not in rows[4.0]["flags"]
    assert rows[4.0]["pace"] == pytest.approx(16 / 4.0, abs=0.5)
    entry = next(entry for entry in ledger.entries if entry.get("seconds") == 5.0)
    assert entry["disagreement"] == rows[5.0]["disagreement"]


def test_without_a_second_opinion_nobody_listens_again(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "recognizer", lambda *_: Guessing())
    transcribe(clips, tmp_path / "t", models=str(tmp_path), speaker="s", language="en", second_opinion="none")
    rows = json.loads((tmp_path / "t" / "transcripts.json").read_text())
    assert {row["disagreement"] for row in rows} == {None}
