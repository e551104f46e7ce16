"""synthesize with verify: what is heard, mended and counted, and that the bytes depend on nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stages.test_synthesize import manifest, models, spoken_of, voice
from voicemill.asr import Transcript
from voicemill.core.errors import InputError, UsageError
from voicemill.evaluation import verifying
from voicemill.evaluation.speaker_similarity import SpeakerLikeness
from voicemill.stages.synthesize import synthesize
from voicemill.synthesis.verification import rules
from voicemill.synthesis.verification.listening import Ear

__all__ = ["models", "voice"]

TEXT = "It rains."
LINES = [{"text": TEXT, "seed": seed} for seed in range(5)]


class Killed(BaseException):
    """Ends the process at any point, as SIGKILL does."""


class Chance:
    """Hears the text in half of all sounds, by their length, and nothing like it in the others."""

    name = "whisper"
    trusted_above = 0.5

    def __init__(self, dies_after: int = 10**9) -> None:
        self.left = dies_after

    def transcribe(self, samples_16k: np.ndarray) -> Transcript:
        self.left -= 1
        if self.left < 0:
            raise Killed
        is_right = hashlib.sha256(b"%d" % (len(samples_16k) // 100)).digest()[0] % 2 == 0
        return Transcript(TEXT if is_right else "Beans on toast for everybody", "en", 1.0)

    def transcribe_all(self, clips_16k: Any) -> list[Transcript]:
        return [self.transcribe(clip) for clip in clips_16k]


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Chance:
    """The recogniser of every run; toy voices babble, so that nothing but the words is looked at."""
    chance = Chance()
    words_alone = rules.RULES["whisper"].__class__(**{
        **vars(rules.RULES["whisper"]), "slowest": 0.01, "fastest": 1e6, "pause": 60.0, "clipped": 1.0,
    })  # fmt: skip
    monkeypatch.setitem(rules.RULES, "whisper", words_alone)
    monkeypatch.setattr(verifying, "choose", lambda verify, *_, **__: (verify, Ear(chance), None))
    monkeypatch.setattr(SpeakerLikeness, "similarity", lambda self, samples, rate: float(np.abs(samples).mean()))
    return chance


def lines_of(path: Path, rows: list[dict[str, Any]] = LINES) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def test_mended_lines_are_the_same_bytes_in_any_batch_and_order_and_after_a_kill(
    voice: Path,
    models: Path,
    tmp_path: Path,
    ear: Chance,
) -> None:
    lines = lines_of(tmp_path / "lines.jsonl")
    ledger = synthesize(voice, tmp_path / "a", models=str(models), text=lines, verify="mend", max_tries=2)
    whole, summary = spoken_of(tmp_path / "a"), ledger.summary()
    outcomes = [row["verification"]["outcome"] for row in manifest(tmp_path / "a")]
    assert outcomes.count("mended") == summary["mended"]
    assert set(outcomes) - {"verified"}, "there was something to mend"
    assert [entry["verification"]["outcome"] for entry in ledger.entries] == outcomes
    assert summary["verification"]["lines"] == len(LINES) == len(set(whole.values()))
    assert {path.name for path in (tmp_path / "a").glob("verification.*")} == {
        "verification.html", "verification.json",
    }  # fmt: skip

    turned = lines_of(tmp_path / "turned.jsonl", LINES[::-1])
    synthesize(voice, tmp_path / "b", models=str(models), text=turned, verify="mend", max_tries=2, batch_size=2)
    assert sorted(spoken_of(tmp_path / "b").values()) == sorted(whole.values())

    ear.left = len(LINES) + 1
    state = tmp_path / "state"
    given: dict[str, Any] = {"models": str(models), "text": lines, "verify": "mend", "max_tries": 2}
    with pytest.raises(Killed):
        synthesize(voice, tmp_path / "c", state=state, **given)
    assert bool(list(state.glob("*.tar"))) == ("verified" in outcomes), "the lines that passed are kept"
    ear.left = 10**9
    synthesize(voice, tmp_path / "c", state=state, **given)
    assert spoken_of(tmp_path / "c") == whole


def test_reporting_changes_no_byte_and_counts_what_failed(
    voice: Path,
    models: Path,
    tmp_path: Path,
    ear: Chance,
) -> None:
    lines = lines_of(tmp_path / "lines.jsonl", LINES[:3])
    ledger = synthesize(voice, tmp_path / "report", models=str(models), text=lines, verify="report")
    spoken = spoken_of(tmp_path / "report")
    assert {name for name, content in spoken.items() if content} == {f"{n:04d}.wav" for n in range(1, 4)}
    failed = sum(row["verification"]["outcome"] == "failed" for row in manifest(tmp_path / "report"))
    assert ledger.summary()["unfixable"] == failed > 0 and ledger.summary()["mended"] == 0
    state = tmp_path / "state"
    with pytest.raises(InputError, match=f"{failed} of 3 lines do not say their text"):
        synthesize(
            voice, tmp_path / "x", state=state, models=str(models), text=lines, verify="report", fail_on="unfixable"
        )
    assert not (tmp_path / "x").exists() and list(state.glob("*.tar"))


def test_toys_are_not_verified_unless_asked_and_never_in_a_language_nobody_knows(
    voice: Path,
    models: Path,
    tmp_path: Path,
) -> None:
    ledger = synthesize(voice, tmp_path / "a", models=str(models), text=TEXT)
    assert "verification" not in manifest(tmp_path / "a")[0] and "verification" not in ledger.summary()
    with pytest.raises(UsageError, match="verify=report needs a recogniser of zh"):
        synthesize(voice, tmp_path / "b", models=str(models), text="你好。", language="zh", verify="report")
