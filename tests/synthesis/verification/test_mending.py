"""What is tried on a line that failed, in which order, and what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from voicemill.asr import Transcript
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.synthesis import Options, Reference, Speech
from voicemill.synthesis.script import LARGEST_SEED
from voicemill.synthesis.verification.listening import Ear
from voicemill.synthesis.verification.mending import WORDLESS, plan, seed_of
from voicemill.synthesis.verification.outcome import summarize
from voicemill.synthesis.verification.page import build, worst_first
from voicemill.synthesis.verification.verifier import Verifier

LINE = "The engineer repaired the old bridge, and the villagers crossed the river again."
WRONG = "A sentence about rice"
SETTINGS: dict[str, Any] = {"text": LINE, "language": "en", "speed": 1.0, "seed": 7}
REFERENCE = Reference(audio=None, text="Nobody cried.", language="en")  # pyright: ignore[reportArgumentType]


@dataclass
class ByNumber:
    """Hears in a line what the number in its first sample stands for."""

    texts: dict[int, str]
    name: str = "whisper"
    trusted_above: float = 0.5

    def transcribe(self, samples_16k: np.ndarray) -> Transcript:
        return Transcript(self.texts[round(float(np.abs(samples_16k).max()) * 100)], "en", 1.0)

    def transcribe_all(self, clips_16k: Any) -> list[Transcript]:
        return [self.transcribe(clip) for clip in clips_16k]


def spoken(number: int, pieces: list[str] | None = None) -> Speech:
    """Speech of four seconds whose level tells it apart."""
    samples = np.full(4 * 16_000, number / 100, np.float32)
    report = {"cut_off": 0, "fragments": [{"text": piece} for piece in pieces or [LINE]]}
    return Speech(samples, 16_000, report)


@dataclass
class Scripted:
    """A synthesizer whose takes are told by step, each a number."""

    takes: dict[tuple[int, str], list[int]]
    pieces: dict[str, list[str]] = field(default_factory=dict)
    performed: list[tuple[int, str, list[int]]] = field(default_factory=list)

    def script(self, text: str, language: str, *, text_split: str, speed: float, seed: int) -> SimpleNamespace:
        fragments = [SimpleNamespace(text=piece) for piece in self.pieces.get(text_split, [LINE])]
        return SimpleNamespace(fragments=fragments, unpronounced=(), seed=seed)

    def perform(self, scripts: list[Any], prompt: str, options: Options) -> list[Speech]:
        self.performed.append((options.sampling.num_beams, prompt, [script.seed for script in scripts]))
        return [spoken(number) for number in self.takes[options.sampling.num_beams, prompt]][: len(scripts)]


def mended(verifier: Verifier, synthesizer: Scripted, first: int = 1) -> dict[str, Any]:
    line = verifier.verify(SETTINGS, spoken(first), Options())
    assert line.failed
    done = verifier.mend({"0001": (SETTINGS, line)}, synthesizer, lambda name: name)  # pyright: ignore
    return {"level": round(float(done["0001"].speech.samples[0]) * 100), **done["0001"].verification.row()}


def test_the_order_is_bounded_and_knows_what_would_change_nothing() -> None:
    steps = plan(Options(), uses_words=True, clips=["happy"], most=7)
    assert [(step.how, step.takes) for step in steps] == [
        ("seed", 3), ("whole", 1), ("beams", 1), ("no-reference-words", 1), ("clip:happy", 1),
    ]  # fmt: skip
    assert steps[3].prompt == WORDLESS
    assert [step.takes for step in plan(Options(), uses_words=True, most=2)] == [2]
    greedy = plan(Options(sampling=Sampling(top_k=1), text_split="cut0"), uses_words=False)
    assert [step.how for step in greedy] == ["seed", "clauses", "beams"]
    assert greedy[0].options.sampling.top_k > 1, "without chance another seed says the same"
    beams = plan(Options(sampling=Sampling(num_beams=4)), uses_words=False)
    assert [step.how for step in beams] == ["seed", "whole"] and beams[0].options.sampling.num_beams == 1


def test_seeds_of_takes_depend_on_line_step_and_take_alone() -> None:
    seeds = {seed_of(seed, how, take) for seed in (0, 7) for how in ("seed", "beams") for take in range(3)}
    assert len(seeds) == 12 and all(0 <= seed <= LARGEST_SEED for seed in seeds)
    assert seed_of(7, "seed", 0) == seed_of(7, "seed", 0)


def test_of_the_takes_that_pass_the_one_with_the_fewest_errors_is_kept_then_the_one_most_alike() -> None:
    nearly = LINE.replace("old bridge", "old ridge")
    ear = Ear(ByNumber({1: WRONG, 10: nearly, 11: LINE, 12: LINE}))
    steps = plan(Options(), uses_words=True)
    verifier = Verifier(ear, REFERENCE, steps, likeness=lambda samples, rate: float(samples[0]))
    synthesizer = Scripted({(1, ""): [10, 11, 12]})
    found = mended(verifier, synthesizer)
    assert (found["outcome"], found["how"], found["tries"], found["level"]) == ("mended", "seed", 3, 12)
    assert found["seed"] == seed_of(7, "seed", 2)
    assert found["before"]["heard"] == WRONG and found["causes"] == []
    assert len(synthesizer.performed) == 1, "nothing is tried after it passes"


def test_steps_are_tried_in_order_until_one_passes() -> None:
    ear = Ear(ByNumber({1: WRONG, 10: WRONG, 20: LINE}))
    synthesizer = Scripted({(1, ""): [10, 10, 10], (4, ""): [20]})
    found = mended(Verifier(ear, REFERENCE, plan(Options(), uses_words=True)), synthesizer)
    # The line has one piece however it is cut, so the other cut is left out.
    assert (found["how"], found["tries"], found["level"]) == ("beams", 4, 20)
    split = Scripted({(1, ""): [10, 10, 10]} | {(4, ""): [20]}, pieces={"cut0": ["a", "b"]})
    assert mended(Verifier(ear, REFERENCE, plan(Options(), uses_words=True)), split)["tries"] == 5


def test_what_cannot_be_mended_is_kept_at_its_best_and_says_why() -> None:
    better = LINE[:60]
    ear = Ear(ByNumber({1: WRONG, 10: WRONG, 11: better}))
    verifier = Verifier(ear, REFERENCE, plan(Options(), uses_words=False, most=3))
    found = mended(verifier, Scripted({(1, ""): [10, 11, 10]}))
    assert (found["outcome"], found["level"], found["tries"]) == ("unfixable", 11, 3)
    assert "ending" in found["causes"]
    same = Ear(ByNumber({1: better, 10: WRONG}))
    found = mended(replace(verifier, ear=same), Scripted({(1, ""): [10, 10, 10]}))
    assert (found["level"], found["how"]) == (1, ""), "nothing was better than the first"


def test_a_second_recogniser_reports_on_mended_lines_and_has_no_part_in_the_choice() -> None:
    second = ByNumber({1: WRONG, 10: LINE, 11: "The engineer repaired"}, name="pocketsphinx")
    ear = Ear(ByNumber({1: WRONG, 10: LINE, 11: LINE}))
    verifier = Verifier(ear, REFERENCE, plan(Options(), uses_words=False, most=2), Ear(second, ("en",)))
    found = mended(verifier, Scripted({(1, ""): [11, 10]}))
    assert found["level"] == 11 and found["second"]["recogniser"] == "pocketsphinx"
    before, after = found["second"]["before"], found["second"]["after"]
    assert before[0] > after[0] > 0 and before[1] == after[1] == found["phones"]


def test_a_line_that_nobody_can_hear_is_not_verified() -> None:
    ear = Ear(ByNumber({1: WRONG}), ("en",))
    line = Verifier(ear, REFERENCE).verify(SETTINGS | {"text": "你好吗", "language": "zh"}, spoken(1), Options())
    assert line.verification.row() == {"outcome": "not-heard", "recogniser": "whisper"}


def test_samples_that_are_not_finite_fail_without_being_heard() -> None:
    speech = Speech(np.full(10, np.nan, np.float32), 16_000, spoken(1).report)
    line = Verifier(Ear(ByNumber({})), REFERENCE).verify(SETTINGS, speech, Options())
    assert line.failed and line.verification.row()["causes"] == ["not-finite"]


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    texts = {1: WRONG, 2: LINE, 10: LINE, 11: LINE[:60]}
    verifier = Verifier(Ear(ByNumber(texts)), REFERENCE, plan(Options(), uses_words=False, most=1))
    heal, fail = (mended(verifier, Scripted({(1, ""): [level]})) for level in (10, 11))
    fine = verifier.verify(SETTINGS, spoken(2), Options()).verification.row()
    found = {"0001": fine, "0002": heal, "0003": fail}
    common = {"text": "<b>Line</b>", "language": "en"}
    return [{"file": f"{name}.wav", **common, "verification": row} for name, row in found.items()]


def test_the_summary_counts_outcomes_causes_and_what_helped(rows: list[dict[str, Any]]) -> None:
    summary = summarize(row["verification"] for row in rows)
    assert {name: summary[name] for name in ("lines", "verified", "mended", "unfixable")} == {
        "lines": 3, "verified": 1, "mended": 1, "unfixable": 1,
    }  # fmt: skip
    assert summary["helped"] == {"seed": 1}
    assert summary["by_cause"]["words"]["before"] == 2 > summary["by_cause"]["words"]["after"]
    assert summarize([]) == {"lines": 0}


def test_the_page_shows_the_worst_first_with_what_was_heard_and_escapes_texts(rows: list[dict[str, Any]]) -> None:
    assert [row["file"] for row in worst_first(rows)] == ["0003.wav", "0002.wav", "0001.wav"]
    page = build("anna", rows, summarize(row["verification"] for row in rows))
    assert page.index("0003.wav") < page.index("0002.wav") < page.index("0001.wav")
    assert "at first: A sentence about rice" in page and 'src="0002.wav"' in page
    assert "<b>Line</b>" not in page and "&lt;b&gt;Line" in page
    assert "the one that reports also chose" in page
