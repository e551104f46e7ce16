"""transcribe with a real Whisper, on recordings that went through ingest, normalize and slice."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

import pytest
from opencc import OpenCC

from tests.real_whisper import samples, whisper_models
from voicemill.asr import recognizer
from voicemill.asr.transcript import RATE
from voicemill.asr.whisper import WhisperRecognizer
from voicemill.audio.clip_names import place_of
from voicemill.audio.reading import read_mono
from voicemill.audio.recordings import read_manifest
from voicemill.dataset.labels import read
from voicemill.models import locate
from voicemill.stages.ingest import ingest
from voicemill.stages.normalize import normalize
from voicemill.stages.slice import slice_clips
from voicemill.stages.transcribe import transcribe
from voicemill.text import scoring

__all__ = ["samples", "whisper_models"]
pytestmark = pytest.mark.whisper

# Every sixth recording: enough for a bound that a broken step would break, and a minute less than all.
_EVERY = 6


def labelled(models: Path, speaker: Path, folder: Path, language: Literal["en", "zh"]) -> list[dict[str, Any]]:
    """The rows of transcripts.json, each with the `recording` that its clip was cut from."""
    source = folder / "source"
    source.mkdir(parents=True)
    for path in sorted(speaker.glob("*.flac"))[::_EVERY]:
        (source / path.name).symlink_to(path)
    ingest(folder / "audio", source=str(source), min_minutes=0.1)
    normalize(folder / "audio", folder / "levelled")
    slice_clips(folder / "levelled", folder / "clips", max_seconds=15)
    transcribe(
        folder / "clips",
        folder / "transcripts",
        models=str(models),
        speaker="s",
        language=language,
        backend="whisper",
        second_opinion="none",
    )
    rows = json.loads((folder / "transcripts" / "transcripts.json").read_text(encoding="utf-8"))
    names = {name: recording.source for name, recording in read_manifest(folder / "audio").items()}
    return [row | {"recording": names[place_of(row["clip"])[0]]} for row in rows]


def error_rate(rows: list[dict[str, Any]], speaker: Path) -> float:
    """Pooled error rate of what was heard in each recording, by words or characters."""
    heard = defaultdict(list)
    for row in sorted(rows, key=lambda row: place_of(row["clip"])):
        heard[row["recording"]].append(row["text"])
    wanted = [label for label in read(speaker / "transcripts.csv") if label.name in heard]
    assert len(wanted) >= 5
    return scoring.pooled(
        scoring.score(label.text, " ".join(heard[label.name]), label.language).words for label in wanted
    ).rate


@pytest.fixture(scope="module")
def mandarin(whisper_models: Path, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return labelled(whisper_models, samples / "zh_s0150", tmp_path_factory.mktemp("zh"), "zh")


def test_mandarin_labels_have_no_traditional_character(mandarin: list[dict[str, Any]]) -> None:
    simplify = OpenCC("t2s")
    texts = [row["text"] for row in mandarin]
    assert [simplify.convert(text) for text in texts] == texts


def test_whisper_itself_writes_traditional_characters_now_and_then(whisper_models: Path, samples: Path) -> None:
    listener = recognizer("whisper", whisper_models, "zh", "cpu")
    clips = [read_mono(path, RATE) for path in sorted((samples / "zh_s0150").glob("*.flac"))[::_EVERY]]
    heard = "".join(transcript.text for transcript in listener.transcribe_all(clips))
    assert OpenCC("t2s").convert(heard) != heard


def test_mandarin_is_read_with_few_errors(mandarin: list[dict[str, Any]], samples: Path) -> None:
    assert error_rate(mandarin, samples / "zh_s0150") < 0.10


def test_english_is_read_with_few_errors(whisper_models: Path, samples: Path, tmp_path: Path) -> None:
    rows = labelled(whisper_models, samples / "en_lj", tmp_path, "en")
    # whisper-base gets 10.4 % of the words of these six wrong, 4.9 % of all 32.
    assert error_rate(rows, samples / "en_lj") < 0.15
    assert all(row["source"] == "whisper" and 0 < row["confidence"] <= 1 for row in rows)


def test_the_language_is_found_where_it_is_not_told(whisper_models: Path, samples: Path) -> None:
    listener = recognizer("auto", whisper_models, "auto", "cpu")
    assert listener.name == "whisper"
    for folder, language in (("en_lj", "en"), ("zh_s0150", "zh")):
        path = sorted((samples / folder).glob("*.flac"))[0]
        assert listener.transcribe(read_mono(path, RATE)).language == language


@pytest.mark.parametrize(
    ("recording", "language", "right", "wrong"),
    [
        ("en_lj/LJ001-0002.flac", "en", "in being comparatively modern.", "in being comparatively ugly."),
        ("zh_s0150/BAC009S0150W0121.flac", "zh", "其中有两个是内因的指标", "其中有两个是房价的指标"),
    ],
)
def test_a_word_that_is_not_said_has_next_to_no_chance(
    whisper_models: Path, samples: Path, recording: str, language: str, right: str, wrong: str
) -> None:
    listener = WhisperRecognizer(locate(whisper_models, "whisper"), language, "cpu")
    clip = read_mono(samples / recording, RATE)
    least = [min(word.chance for word in listener.words(clip, language, text)) for text in (right, wrong)]
    assert least[0] > 0.01 and least[1] < 0.001
