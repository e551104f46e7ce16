"""Whether lines are verified, who hears them, and in which language."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from voicemill.asr import Transcript
from voicemill.asr.whisper import WhisperRecognizer
from voicemill.core.errors import MissingModelError, UsageError
from voicemill.gpt_sovits.synthesis import Options, Reference, Speech
from voicemill.models import record
from voicemill.synthesis.verification import listening
from voicemill.synthesis.verification.listening import Ear, choose, spoken_language
from voicemill.synthesis.verification.verifier import Verifier


def has(monkeypatch: pytest.MonkeyPatch, *names: str, base: str = record.TOY) -> None:
    """Let the models folder have these recognisers, and a token model of that source."""

    def recognizer(name: str, models: Path, device: str = "auto") -> SimpleNamespace:
        if name not in names:
            raise MissingModelError(f"no {name}")
        return SimpleNamespace(name=name, device=device)

    monkeypatch.setattr(listening, "recognizer", recognizer)
    monkeypatch.setattr(listening, "has_whisper", lambda models: "whisper" in names)
    monkeypatch.setattr(listening, "PocketsphinxRecognizer", lambda: SimpleNamespace(name="pocketsphinx"))
    monkeypatch.setattr(record, "read", lambda models: {"s1v3.ckpt": record.Entry("gpt", base, 1, "")})


def chosen(verify: str, language: str) -> tuple[str, str, str]:
    mode, *ears = choose(verify, Path("models"), language)  # pyright: ignore[reportArgumentType]
    decides, reports = (ear.name if ear else "" for ear in ears)
    return mode, decides, reports


def test_by_default_lines_are_reported_on_where_a_recogniser_means_something(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, "whisper")
    assert chosen("auto", "zh") == ("report", "whisper", "")
    assert chosen("off", "zh") == ("off", "", "")
    has(monkeypatch, "sensevoice")
    assert chosen("auto", "ja") == ("report", "sensevoice", "")
    has(monkeypatch)
    assert chosen("auto", "en") == ("off", "", ""), "pocketsphinx is for bases that were made here"
    has(monkeypatch, base=record.BASE)
    assert chosen("auto", "en") == ("report", "pocketsphinx", "")
    assert chosen("auto", "zh") == ("off", "", "")


def test_where_two_are_at_hand_one_decides_and_the_other_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, "whisper", "sensevoice")
    assert chosen("mend", "ko") == ("mend", "whisper", "sensevoice")
    has(monkeypatch, "whisper")
    assert chosen("mend", "en") == ("mend", "whisper", "pocketsphinx")
    assert chosen("mend", "ko") == ("mend", "whisper", "")


def test_what_was_asked_for_and_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch)
    assert chosen("mend", "en") == ("mend", "pocketsphinx", "")
    with pytest.raises(UsageError, match="verify=mend needs a recogniser of yue"):
        chosen("mend", "yue")


@pytest.mark.parametrize(
    ("text", "language", "spoken"),
    [
        ("Good morning.", "en", "en"),
        ("Python入門", "all_ja", "ja"),
        ("今天我们一起去说English。", "auto", "zh"),
        ("Good morning to all of you.", "auto", "en"),
        ("...", "auto", "zh"),
    ],
)
def test_a_line_is_heard_in_the_language_of_most_of_it(text: str, language: str, spoken: str) -> None:
    assert spoken_language(text, language) == spoken


def test_what_cannot_be_heard_is_not_given_to_the_recogniser() -> None:
    def transcribe(samples: np.ndarray) -> Transcript:
        return Transcript(f"{len(samples)} samples", "en", 1.0)

    ear = Ear(SimpleNamespace(name="whisper", transcribe=transcribe), ("en",))  # pyright: ignore[reportArgumentType]
    assert ear.hear(np.ones(48_000, np.float32), 48_000, "en") == "16000 samples"
    assert ear.hear(np.zeros(0, np.float32), 48_000, "en") == ear.hear(np.array([np.nan]), 48_000, "en") == ""
    assert ear.knows("en") and not ear.knows("zh") and Ear(ear.recogniser).knows("zh")


class Glancing(WhisperRecognizer):
    """A Whisper of which it is told what it hears at a glance and in full."""

    def __init__(self, glimpsed: str, heard: str) -> None:
        self.glimpsed, self.heard, self.full = glimpsed, heard, 0

    def of(self, language: str) -> Glancing:
        return self

    def glance(self, clip_16k: np.ndarray) -> str:
        return self.glimpsed

    def transcribe(self, samples_16k: np.ndarray) -> Transcript:
        self.full += 1
        return Transcript(self.heard, "en", 1.0)


@pytest.mark.parametrize(
    ("glimpsed", "heard", "outcome", "full"),
    [
        ("the old mill turned slowly", "", "verified", 0),
        ("to to to to to to", "The old mill turned slowly.", "verified", 1),
        ("to to to to to to", "An old hill.", "failed", 1),
    ],
)
def test_a_line_that_passes_at_a_glance_is_not_heard_again(glimpsed: str, heard: str, outcome: str, full: int) -> None:
    whisper = Glancing(glimpsed, heard)
    verifier = Verifier(Ear(whisper), Reference(None, "", "en"))  # pyright: ignore[reportArgumentType]
    samples = np.sin(np.arange(2 * 16_000, dtype=np.float32))
    settings = {"text": "The old mill turned slowly.", "language": "en", "speed": 1.0, "seed": 0}
    found = verifier.verify(settings, Speech(samples, 16_000, {"cut_off": 0}), Options())
    assert (found.verification.outcome, whisper.full) == (outcome, full)
    assert found.verification.finding and found.verification.finding.heard == (heard if full else glimpsed)
