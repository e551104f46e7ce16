"""The trial of a training: its pairs of checkpoints speak, then the best one speaks as several clips do."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicemill.contract import Ledger
from voicemill.core.errors import InputError
from voicemill.core.logs import get_logger
from voicemill.core.safe_paths import safe_join
from voicemill.evaluation.choosing import Choice, TimeBudget, how_sure, search
from voicemill.evaluation.judging import Judge, asked_by
from voicemill.evaluation.metrics import Measure, diverged, summed
from voicemill.evaluation.references import best_reference, clean_candidates
from voicemill.gpt_sovits.synthesis import Reference
from voicemill.synthesis.load import Pretrained
from voicemill.synthesis.options import options_of
from voicemill.synthesis.reference_features import read_clips
from voicemill.synthesis.speaking import recite
from voicemill.text import Reading
from voicemill.voice import moods
from voicemill.voice.generation_config import Generation
from voicemill.voice.reference_features import ReferenceFile

log = get_logger(__name__)

FEWEST_LINES = 6
"""Lines are not left out for want of time below this many."""


@dataclass(frozen=True)
class Bench:
    """What all pairs have in common.

    Attributes:
        pretrained: The models before every pair.
        judge: Listens.
        reading: How texts are pronounced.
        generation: How the pairs speak.
        seed: Of the first line.
        clips: Folder of the speaker's clips.
        audio: Folder for what is said.
    """

    pretrained: Pretrained
    judge: Judge
    reading: Reading
    generation: Generation
    seed: int
    clips: Path
    audio: Path

    def clip(self, row: Mapping[str, Any]) -> Reference:
        """Return a clip as a reference, from its row of transcripts.json."""
        return Reference(safe_join(self.clips, row["clip"]), row["text"], row["language"].lower())

    def measure(
        self, sovits: Path, gpt: Path, reference: Mapping[str, Any], asked: Sequence[str], name: str = ""
    ) -> Measure:
        """Let a pair speak as a clip does, and measure it.

        Args:
            sovits: The acoustic model.
            gpt: The token model.
            reference: Row of transcripts.json.
            asked: The lines.
            name: Beginning of the sound files' names.

        Raises:
            InputError: What it speaks are no numbers, or the clip cannot be used.
        """
        synthesizer = self.pretrained.synthesizer(sovits, gpt, reading=self.reading)
        prompt, options = self.generation.prompt(self.clip(reference)), options_of(self.generation)
        language = self.judge.language
        manner = asked_by(prompt, language, options, self.generation.speed)
        spoken = recite(synthesizer, prompt, asked, language, self.seed, options, self.generation.speed)
        files = sovits.name, gpt.name
        about = {"reference": reference["clip"], "name": name}
        return self.judge.measure(*files, asked, spoken, self.audio, manner=manner, **about)


@dataclass(frozen=True)
class Limits:
    """What the trial may cost.

    Attributes:
        references: How many clips are tried as the reference.
        seconds: In all; 0 for no limit.
    """

    references: int
    seconds: float


@dataclass
class Found:
    """What the trial found.

    Attributes:
        speaker: What the speaker's own recordings reach.
        best: The best pair with the best reference clip.
        reference: That clip, a row of transcripts.json.
        pairs: All pairs, with the likeliest clip.
        pairs_choice: How sure the choice among them is.
        references: The best pair with each clip that was tried, the likeliest first.
        references_choice: How sure the choice among them is.
        left_out: What was left out for want of time.
    """

    speaker: dict[str, Any]
    best: Measure
    reference: Mapping[str, Any]
    pairs: list[Measure]
    pairs_choice: Choice
    references: list[Measure] = field(default_factory=list)
    references_choice: Choice = field(default_factory=lambda: Choice(None))
    left_out: list[str] = field(default_factory=list)

    def content(self) -> dict[str, Any]:
        """Return what evaluation.json has of it."""
        return {
            "speaker": self.speaker,
            "reference": self.reference,
            "best": {key: value for key, value in self.best.row().items() if key != "lines"},
            "confidence": self.pairs_choice.confidence,
            "as_good": [_name(self.pairs[number]) for number in self.pairs_choice.as_good],
            "left_out": self.left_out,
            "references": {
                "confidence": self.references_choice.confidence,
                "as_good": [self.references[number].reference for number in self.references_choice.as_good],
                "tried": [one.row() for one in self.references],
            },
            "pairs": [pair.row() for pair in self.pairs],
        }


def run(
    bench: Bench,
    sovits: Sequence[Path],
    gpt: Sequence[Path],
    rows: Sequence[Mapping[str, Any]],
    asked: Sequence[str],
    limits: Limits,
    ledger: Ledger,
) -> Found:
    """Let the pairs speak, and the best one as several clips do.

    Args:
        bench: What they have in common.
        sovits: Weights of the saved SoVITS epochs.
        gpt: Weights of the saved GPT epochs.
        rows: Rows of transcripts.json.
        asked: The lines.
        limits: What it may cost.
        ledger: Keeps the pairs that could be measured, drops those whose training diverged.

    Raises:
        InputError: No pair could be measured, or no clip can be the reference.
    """
    budget = TimeBudget(limits.seconds)
    candidates = clean_candidates(rows, bench.clips, limits.references)
    reference, others = candidates[0], candidates[1:]
    count, left_out = len(asked), []
    others_than_first = len(sovits) + len(gpt) - 2
    costs: list[float] = []

    def measure(acoustic: Path, token: Path) -> Measure:
        nonlocal count
        begun = time.monotonic()
        pair = _kept(bench, acoustic, token, reference, asked[:count], ledger)
        costs.append(time.monotonic() - begun)
        if len(costs) == 1 and others_than_first and pair.lines:
            fits = max(FEWEST_LINES, budget.fitting(count, costs[0] / count * others_than_first))
            if fits < count:
                left_out.append(f"{count - fits} of {count} lines: the pairs would take longer than max-minutes")
                count, pair = fits, _first_lines(pair, fits, bench)
        return pair

    best, pairs = search(sovits, gpt, measure)
    ledger.require(1, "pairs")
    found = Found(
        speaker=bench.judge.speaker.own(),
        best=best,
        reference=reference,
        pairs=pairs,
        pairs_choice=how_sure(pairs.index(best), pairs, bench.judge.speaker.pace),
        left_out=left_out,
    )
    fits = budget.fitting(len(others), sum(costs) / len(costs))
    if fits < len(others):
        left_out.append(f"{len(others) - fits} of {len(candidates)} reference clips: max-minutes are over")
    if fits:
        _try_references(found, bench, others[:fits], asked[:count], {path.name: path for path in (*sovits, *gpt)})
    for note in left_out:
        log.warning("left out %s", note)
    return found


def read_references(
    found: Found, bench: Bench, rows: Sequence[Mapping[str, Any]], sovits: Sequence[Path]
) -> ReferenceFile:
    """Let the models read the clips that the voice may have as its references, so that nobody who speaks needs to.

    Args:
        found: What the trial found.
        bench: What the pairs had in common.
        rows: Rows of transcripts.json.
        sovits: Weights of the saved SoVITS epochs.
    """
    best = next(path for path in sovits if path.name == found.best.sovits)
    named = moods.propose(bench.clips, rows, most=moods.MOST).values()
    clips = {row["clip"]: bench.clip(row) for row in (found.reference, *named)}
    return read_clips(bench.pretrained, best, clips.values(), bench.reading)


def _try_references(
    found: Found, bench: Bench, others: Sequence[Mapping[str, Any]], asked: Sequence[str], weights: Mapping[str, Path]
) -> None:
    rows, best = {found.reference["clip"]: found.reference}, found.best
    found.references = [best]
    for row in others:
        name = f"{_name(best)}+{Path(row['clip']).stem}"
        try:
            tried = bench.measure(weights[best.sovits], weights[best.gpt], row, asked, name)
        except InputError as error:
            # A clip that cannot be imitated cannot serve as a reference; the others can.
            found.left_out.append(f"the reference clip {row['clip']}: {error}")
            continue
        rows[row["clip"]] = row
        found.references.append(tried)
        log.info("reference %s", row["clip"], error_rate=tried.error_rate, similarity=tried.similarity)
    chosen = best_reference(found.references)
    found.references_choice = how_sure(chosen, found.references, bench.judge.speaker.pace)
    found.best = found.references[chosen]
    found.reference = rows[found.best.reference]


def _kept(
    bench: Bench,
    acoustic: Path,
    token: Path,
    reference: Mapping[str, Any],
    asked: Sequence[str],
    ledger: Ledger,
) -> Measure:
    name = f"{acoustic.stem}+{token.stem}"
    try:
        pair = bench.measure(acoustic, token, reference, asked)
    except InputError as error:
        ledger.drop(name, str(error))
        return diverged(acoustic.name, token.name, reference["clip"])
    log.info("%s", name, error_rate=pair.error_rate, similarity=pair.similarity)
    ledger.keep(name, error_rate=pair.error_rate, similarity=pair.similarity)
    return pair


def _first_lines(pair: Measure, count: int, bench: Bench) -> Measure:
    """Return the measure of its first lines, and remove the sound of the others."""
    for row in pair.lines[count:]:
        (bench.audio.parent / row["audio"]).unlink()
    rows = pair.lines[:count]
    return summed(pair.sovits, pair.gpt, rows, bench.judge.speaker.pace, reference=pair.reference)


def _name(pair: Measure) -> str:
    return f"{Path(pair.sovits).stem}+{Path(pair.gpt).stem}"
