"""The trial of a training: what is left out for want of time, which reference clip is taken, and what it writes down.

Pairs speak by toy judgement here: how well follows from their names. tests/stages/test_evaluate.py lets weights speak.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soundfile

from tests.evaluation.test_metrics import line
from tests.speech import speech
from voicemill.contract import Ledger
from voicemill.core.errors import InputError
from voicemill.evaluation import trial
from voicemill.evaluation.metrics import Measure, summed

ASKED = [f"line {number}" for number in range(12)]
SIMILARITY = {"a.wav": 0.7, "b.wav": 0.8, "c.wav": 0.75}


@dataclass
class ToyBench:
    """Speaks in no time, or in as many seconds a line as it is told; the later SoVITS epoch is the better one."""

    clips: Path
    audio: Path
    clock: list[float]
    seconds_a_line: float = 0.0
    unusable: str = ""
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    judge: Any = field(default_factory=lambda: SimpleNamespace(speaker=SimpleNamespace(pace=16.0, own=dict)))

    def measure(
        self, sovits: Path, gpt: Path, reference: Mapping[str, Any], asked: Sequence[str], name: str = ""
    ) -> Measure:
        if self.unusable in (sovits.stem, reference["clip"]):
            raise InputError(f"{self.unusable} cannot be used")
        self.asked.append((sovits.stem, reference["clip"], len(asked)))
        self.clock[0] += self.seconds_a_line * len(asked)
        rows = []
        for number in range(len(asked)):
            audio = self.audio / f"{name or sovits.stem + gpt.stem}_{number}.wav"
            audio.touch()
            errors = (number % 3 == 0) + 2 * ("e1" in sovits.stem)
            rows.append(line(errors, similarity=SIMILARITY[reference["clip"]], audio=f"audio/{audio.name}"))
        return summed(sovits.name, gpt.name, rows, 16.0, reference=reference["clip"])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyBench:
    for name in SIMILARITY:
        soundfile.write(tmp_path / name, speech(4.0), 16_000)
    (tmp_path / "audio").mkdir()
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    return ToyBench(tmp_path, tmp_path / "audio", clock)


def run(bench: ToyBench, references: int = 3, seconds: float = 0.0) -> trial.Found:
    rows = [
        {"clip": name, "seconds": seconds, "text": "A text.", "language": "EN", "confidence": 0.9, "flags": []}
        for name, seconds in (("a.wav", 6.0), ("b.wav", 5.0), ("c.wav", 4.5))
    ]
    sovits, gpt = ([Path(f"{kind}_e{epoch}.safetensors") for epoch in (1, 2)] for kind in ("sovits", "gpt"))
    return trial.run(bench, sovits, gpt, rows, ASKED, trial.Limits(references, seconds), Ledger())  # pyright: ignore[reportArgumentType]


def test_the_best_pair_speaks_as_each_clip_and_the_best_clip_is_taken(bench: ToyBench) -> None:
    found = run(bench)
    assert bench.asked == [
        ("sovits_e1", "a.wav", 12),
        ("sovits_e2", "a.wav", 12),
        ("sovits_e2", "a.wav", 12),
        ("sovits_e2", "b.wav", 12),
        ("sovits_e2", "c.wav", 12),
    ]
    content = json.loads(json.dumps(found.content()))
    assert content["reference"]["clip"] == content["best"]["reference"] == "b.wav"
    assert (content["best"]["sovits"], content["best"]["gpt"]) == ("sovits_e2.safetensors", "gpt_e2.safetensors")
    assert content["as_good"] == ["sovits_e2+gpt_e1"], "the same, and the later epoch was taken"
    assert [one["reference"] for one in content["references"]["tried"]] == ["a.wav", "b.wav", "c.wav"]
    assert content["references"]["confidence"] == 1.0 and content["references"]["as_good"] == []
    assert content["left_out"] == []


def test_one_candidate_is_taken_without_a_trial(bench: ToyBench) -> None:
    found = run(bench, references=1)
    assert len(bench.asked) == 3 and found.reference["clip"] == "a.wav" and found.references == []


def test_lines_and_then_clips_that_do_not_fit_into_the_time_are_left_out(bench: ToyBench) -> None:
    bench.seconds_a_line = 1.0
    found = run(bench, seconds=30.0)
    # The first pair took 12 of 30 s; 18 s are left for two more.
    assert [count for _, _, count in bench.asked] == [12, 9, 9]
    assert [len(pair.lines) for pair in found.pairs] == [9, 9, 9]
    assert [note.partition(":")[0] for note in found.left_out] == ["3 of 12 lines", "2 of 3 reference clips"]
    listed = {row["audio"] for pair in found.pairs for row in pair.lines}
    assert listed == {f"audio/{file.name}" for file in bench.audio.iterdir()}


def test_no_less_than_six_lines_are_spoken(bench: ToyBench) -> None:
    bench.seconds_a_line = 10.0
    assert [len(pair.lines) for pair in run(bench, seconds=1.0).pairs] == [6, 6, 6]


def test_a_clip_that_cannot_be_imitated_is_no_reference(bench: ToyBench) -> None:
    bench.unusable = "b.wav"
    found = run(bench)
    assert found.reference["clip"] == "c.wav" and "b.wav cannot be used" in found.left_out[0]


def test_a_training_that_diverged_is_dropped(bench: ToyBench) -> None:
    bench.unusable = "sovits_e2"
    found = run(bench, references=1)
    assert found.best.sovits == "sovits_e1.safetensors" and found.pairs[1].score == -2
