"""Whether a voice is good enough to take another's place, and the reports that say so.

A voice is not worse when 95 % of what its figures could be by other lines of the kind lie within a margin of the other
voice's (a non-inferiority test): both spoke the same lines, and the differences of the lines are resampled (paired
bootstrap). Lines that were spoken several times count as one each, by their mean. As long as they can be spoken again
98 % must lie within it: who may look several times would otherwise find something too often. benchmarks/promotion.py
simulates how often that is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.evaluation import intervals
from voicemill.registry import names

LEVEL = 0.95
"""How sure it must be that a voice is not worse, after the last take of the lines."""
EARLY_LEVEL = 0.98
"""And after each take before that."""


@dataclass(frozen=True)
class Heard:
    """What a voice reached on the lines.

    Attributes:
        version: In the registry.
        error_rate: Errors over asked words of all lines together; can exceed 1.
        similarity: Mean cosine to the speaker.
        lines: Per line: `take` (1 where it is missing), `text`, `heard`, `causes` (why it fails verification),
            `errors`, `words`, `error_rate`, `similarity`, `seconds`, `audio`.
        failing: Share of the lines that fail verification, which mending would speak again.
    """

    version: str
    error_rate: float
    similarity: float
    lines: Sequence[Mapping[str, Any]] = ()
    failing: float = 0.0

    def and_again(self, again: Heard) -> Heard:
        """Return both takes of the lines together."""
        takes = {line.get("take", 1) for line in self.lines}
        share = len(takes) / (len(takes) + 1)
        rate, similarity, failing = (
            round(share * getattr(self, name) + (1 - share) * getattr(again, name), 4)
            for name in ("error_rate", "similarity", "failing")
        )
        return Heard(self.version, rate, similarity, [*self.lines, *again.lines], failing)


@dataclass(frozen=True)
class Tolerance:
    """By how much a voice may be worse at most; see `judge`."""

    error_rate_rise: float
    similarity_drop: float
    failing_rise: float


@dataclass(frozen=True)
class Gate:
    """One thing that was asked of the new voice.

    Attributes:
        name: What was measured.
        new: Of the new voice.
        old: Of the promoted one.
        least: By how much the new one is worse at least; below 0 where it may be better.
        bound: By how much it is worse at most, with 95 % chance (98 % where the lines could be spoken again); below 0
            where it is surely better.
        limit: How much that may be.
        passed: Whether it is.
    """

    name: str
    new: float
    old: float
    least: float
    bound: float
    limit: float
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        outcome: `first` where nothing was promoted before, `unchanged` where nothing had to be built.
        new: The new voice.
        old: The promoted one.
        gates: What was asked; all must be passed.
    """

    outcome: str
    speaker: str
    alias: str
    new: Heard
    old: Heard | None = None
    gates: tuple[Gate, ...] = field(default_factory=tuple)

    @property
    def may_be_promoted(self) -> bool:
        return self.outcome in ("first", "not worse")

    @property
    def is_decided(self) -> bool:
        """Whether more lines could hardly change the outcome: it is surely not worse, or surely too much worse."""
        failed = [gate for gate in self.gates if not gate.passed]
        return not failed or any(gate.least > gate.limit for gate in failed)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        name, alias = f"{self.speaker}@{self.new.version}", self.alias
        match self.outcome:
            case "unchanged":
                return f"nothing changed: {name} was built from the same recordings, models, code and parameters"
            case "first":
                return f"{name} is the first version to become {alias}"
            case "same":
                return f"{name} is already {alias}"
        failed = [
            f"{gate.name} {gate.new:.3f} against {gate.old:.3f}, up to {gate.bound:.3f} worse"
            for gate in self.gates
            if not gate.passed
        ]
        if failed:
            return f"{name} is worse than {alias} or may be ({'; '.join(failed)}) and is not promoted"
        return f"{name} is not worse than {alias}, {self.speaker}@{self.old.version if self.old else ''}"


def level_of(take: int, most_takes: int) -> float:
    """Return how sure a verdict after a take must be; takes count from 1."""
    return LEVEL if take >= most_takes else EARLY_LEVEL


def judge(
    speaker: str, alias: str, new: Heard, old: Heard | None, tolerance: Tolerance, level: float = LEVEL
) -> Verdict:
    """Compare two voices that spoke the same lines.

    Args:
        speaker: Whose voices.
        alias: Name of the promoted version.
        new: The new voice.
        old: The promoted one; None where there is none.
        tolerance: Margins within which the new one counts as not worse.
        level: How sure that must be; see `level_of`.
    """
    if old is None:
        return Verdict("first", speaker, alias, new)
    if old.version == new.version:
        return Verdict("same", speaker, alias, new, old)
    rise, drop = error_rate_rise(new, old, level), similarity_drop(new, old, level)
    more = failing_rise(new, old, level)
    gates = (
        _gate("error rate", new.error_rate, old.error_rate, rise, tolerance.error_rate_rise),
        _gate("similarity", new.similarity, old.similarity, drop, tolerance.similarity_drop),
        _gate("failing lines", new.failing, old.failing, more, tolerance.failing_rise),
    )
    outcome = "not worse" if all(gate.passed for gate in gates) else "worse"
    return Verdict(outcome, speaker, alias, new, old, gates)


Bounds = tuple[float, float]


def error_rate_rise(new: Heard, old: Heard, level: float = LEVEL) -> Bounds:
    """Return by how much the new voice's error rate is higher at least and at most, each with that chance.

    The errors of a line count up to its words, so that one line that runs on into babble does not decide. Of fewer
    than three sentences both are the difference of the two rates.
    """
    words = _by_sentence(new, lambda line: line["words"])
    if len(words) < intervals.FEWEST_LINES:
        difference = new.error_rate - old.error_rate
        return difference, difference
    wrong_new, wrong_old = (_by_sentence(one, lambda line: min(line["errors"], line["words"])) for one in (new, old))
    return _bounds(wrong_new - wrong_old, words, level)


def similarity_drop(new: Heard, old: Heard, level: float = LEVEL) -> Bounds:
    """Return by how much the new voice's similarity is lower at least and at most; as `error_rate_rise`."""
    alike_new, alike_old = (_by_sentence(one, lambda line: line["similarity"]) for one in (new, old))
    if len(alike_new) < intervals.FEWEST_LINES:
        difference = old.similarity - new.similarity
        return difference, difference
    return _bounds(alike_old - alike_new, _by_sentence(new, lambda line: 1.0), level)


def failing_rise(new: Heard, old: Heard, level: float = LEVEL) -> Bounds:
    """Return by how much a larger share of the new voice's lines fails, at least and at most; as `error_rate_rise`."""
    takes = _by_sentence(new, lambda line: 1.0)
    if len(takes) < intervals.FEWEST_LINES:
        difference = new.failing - old.failing
        return difference, difference
    fail_new, fail_old = (_by_sentence(one, lambda line: float(bool(line["causes"]))) for one in (new, old))
    return _bounds(fail_new - fail_old, takes, level)


def _by_sentence(heard: Heard, value: Callable[[Mapping[str, Any]], float]) -> np.ndarray:
    """Return the sums over the takes of each sentence, in the order of the first."""
    sums: dict[str, float] = {}
    for line in heard.lines:
        sums[line["text"]] = sums.get(line["text"], 0.0) + value(line)
    return np.array(list(sums.values()))


def _bounds(more: np.ndarray, of: np.ndarray, level: float) -> Bounds:
    low, high = np.quantile(intervals.resampled_ratio(more, of), [1 - level, level])
    return float(low), float(high)


def _gate(name: str, new: float, old: float, bounds: Bounds, limit: float) -> Gate:
    least, bound = bounds
    # A whisker of tolerance: sums of decimal fractions are not exact.
    return Gate(name, new, old, round(least, 4), round(bound, 4), limit, bound <= limit + 1e-9)


def as_junit(verdict: Verdict) -> str:
    """Return the verdict as JUnit XML: a test case for each gate, or one that was skipped."""
    failed = [gate for gate in verdict.gates if not gate.passed]
    skipped = not verdict.gates
    counts = {"tests": str(len(verdict.gates) or 1), "failures": str(len(failed)), "skipped": str(int(skipped))}
    suite = ElementTree.Element("testsuite", {"name": f"build-voice {verdict.speaker}", **counts, "errors": "0"})
    for gate in verdict.gates:
        case = ElementTree.SubElement(suite, "testcase", {"classname": verdict.speaker, "name": gate.name})
        text = (
            f"{gate.new:.4f}, {verdict.alias} has {gate.old:.4f}: worse by {gate.bound:.4f} at most, "
            f"the limit is {gate.limit:.4f}"
        )
        if not gate.passed:
            ElementTree.SubElement(case, "failure", {"message": text})
        ElementTree.SubElement(case, "system-out").text = text
    if skipped:
        case = ElementTree.SubElement(suite, "testcase", {"classname": verdict.speaker, "name": verdict.outcome})
        ElementTree.SubElement(case, "skipped", {"message": verdict.sentence})
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def as_markdown(verdict: Verdict) -> str:
    """Return the verdict as Markdown, for a merge request's comment or a job's summary."""
    rows = [f"# build-voice: {verdict.speaker}", "", f"{verdict.sentence[0].upper()}{verdict.sentence[1:]}.", ""]
    if verdict.gates:
        rows += [f"| | new | {verdict.alias} | worse by at most (95 %) | limit | |", "| --- " * 6 + "|"]
        for gate in verdict.gates:
            numbers = " | ".join(f"{number:.3f}" for number in (gate.new, gate.old, gate.bound, gate.limit))
            rows.append(f"| {gate.name} | {numbers} | {'ok' if gate.passed else 'too much'} |")
        rows.append("")
    for title, heard in (("new", verdict.new), (verdict.alias, verdict.old)):
        if heard and heard.lines:
            rows += [f"## {title}: {heard.version}", ""]
            rows += ["| asked | heard | errors | similarity | fails by |", "| --- " * 5 + "|"]
            # The worst first.
            for line in sorted(heard.lines, key=lambda line: (not line["causes"], -line["error_rate"])):
                numbers = f"{line['error_rate']:.2f} | {line['similarity']:.2f} | {', '.join(line['causes'])}"
                rows.append(f"| {_cell(line['text'])} | {_cell(line['heard'])} | {numbers} |")
            rows.append("")
    return "\n".join(rows)


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as plain values."""
    return {**asdict(verdict), "may_be_promoted": verdict.may_be_promoted, "sentence": verdict.sentence}


def read(path: Path) -> Verdict:
    """Return the verdict that compare wrote.

    Raises:
        InputError: It is damaged.
    """
    hint = "compare again"
    fields = untrusted.read_json(path, dict, hint=hint)
    derived = ("may_be_promoted", "sentence")
    found = untrusted.shaped(Verdict, {name: fields[name] for name in fields if name not in derived}, path, hint=hint)
    if not names.is_version(found.new.version):
        raise InputError(f"{display(path)} names the version {display(found.new.version)}, which is not one; {hint}")
    names.check_speaker(found.speaker)
    return found


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
