"""Whether a voice is good enough to take another's place, and the reports that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.registry import names


@dataclass(frozen=True)
class Heard:
    """What a voice reached on the lines.

    Attributes:
        version: In the registry.
        error_rate: Mean over the lines; can exceed 1.
        similarity: Mean cosine to the speaker.
        lines: Per line: `text`, `heard`, `error_rate`, `similarity`, `seconds`, `audio`.
    """

    version: str
    error_rate: float
    similarity: float
    lines: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Tolerance:
    """By how much a voice may be worse and still count as not worse; two trainings differ by chance."""

    error_rate_rise: float
    similarity_drop: float


@dataclass(frozen=True)
class Gate:
    """One thing that was asked of the new voice."""

    name: str
    new: float
    old: float
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
        failed = [f"{gate.name} {gate.new:.3f} against {gate.old:.3f}" for gate in self.gates if not gate.passed]
        if failed:
            return f"{name} is worse than {alias} ({', '.join(failed)}) and is not promoted"
        return f"{name} is not worse than {alias}, {self.speaker}@{self.old.version if self.old else ''}"


def judge(speaker: str, alias: str, new: Heard, old: Heard | None, tolerance: Tolerance) -> Verdict:
    """Compare two voices that spoke the same lines."""
    if old is None:
        return Verdict("first", speaker, alias, new)
    if old.version == new.version:
        return Verdict("same", speaker, alias, new, old)
    highest, lowest = old.error_rate + tolerance.error_rate_rise, old.similarity - tolerance.similarity_drop
    # A whisker of tolerance: sums of decimal fractions are not exact.
    gates = (
        Gate("error rate", new.error_rate, old.error_rate, highest, new.error_rate <= highest + 1e-9),
        Gate("similarity", new.similarity, old.similarity, lowest, new.similarity >= lowest - 1e-9),
    )
    outcome = "not worse" if all(gate.passed for gate in gates) else "worse"
    return Verdict(outcome, speaker, alias, new, old, gates)


def as_junit(verdict: Verdict) -> str:
    """Return the verdict as JUnit XML: a test case for each gate, or one that was skipped."""
    failed = [gate for gate in verdict.gates if not gate.passed]
    skipped = not verdict.gates
    counts = {"tests": str(len(verdict.gates) or 1), "failures": str(len(failed)), "skipped": str(int(skipped))}
    suite = ElementTree.Element("testsuite", {"name": f"build-voice {verdict.speaker}", **counts, "errors": "0"})
    for gate in verdict.gates:
        case = ElementTree.SubElement(suite, "testcase", {"classname": verdict.speaker, "name": gate.name})
        text = f"{gate.new:.4f}, {verdict.alias} has {gate.old:.4f}, the limit is {gate.limit:.4f}"
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
        rows += ["| | new | " + verdict.alias + " | limit | |", "| --- | --- | --- | --- | --- |"]
        rows += [
            f"| {gate.name} | {gate.new:.3f} | {gate.old:.3f} | {gate.limit:.3f} | {'ok' if gate.passed else 'worse'} |"
            for gate in verdict.gates
        ]
        rows.append("")
    for title, heard in (("new", verdict.new), (verdict.alias, verdict.old)):
        if heard and heard.lines:
            rows += [f"## {title}: {heard.version}", "", "| asked | heard | errors | similarity |", "| --- " * 4 + "|"]
            for line in heard.lines:
                numbers = f"{line['error_rate']:.2f} | {line['similarity']:.2f}"
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
