"""What became of the lines that were verified: a record a line, and a summary by cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from voicemill.synthesis.verification.measures import Finding
    from voicemill.text.scoring import Difference

Outcome = Literal["verified", "mended", "unfixable", "failed", "not-heard"]
"""`failed`: it breaks a rule and nothing was tried. `not-heard`: no recogniser of its language is available."""

OUTCOMES: tuple[Outcome, ...] = ("unfixable", "failed", "not-heard", "mended", "verified")
"""The worst first."""
KEY = "verification"
"""Where a row of a manifest or a ledger has the record."""


@dataclass(frozen=True)
class Mended:
    """What was tried on a line that failed.

    Attributes:
        tries: How often it was spoken again.
        how: The step that gave what is kept; empty where the first one is.
        seed: The seed that it was spoken by.
        before: What was found about the line as it was spoken first.
        second: What another recogniser, which had no part in the choice, found of both: its `recogniser`, `before` and
            `after` as `[errors, phones]`.
    """

    tries: int
    how: str
    seed: int
    before: Finding
    second: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verification:
    """What was found about a line, and what was done.

    Attributes:
        outcome: How it ended.
        recogniser: Who heard it.
        finding: What was found about what is kept; None for a line that was not heard.
        mending: What was tried; None where nothing was.
    """

    outcome: Outcome
    recogniser: str
    finding: Finding | None = None
    mending: Mended | None = None

    def row(self) -> dict[str, Any]:
        """Return the record as manifest and ledger have it."""
        found = {"outcome": self.outcome, "recogniser": self.recogniser}
        if self.finding:
            found |= _row(self.finding)
        if self.mending:
            found |= {"tries": self.mending.tries, "how": self.mending.how, "seed": self.mending.seed}
            found |= {"before": _row(self.mending.before)}
            if self.mending.second:
                found |= {"second": dict(self.mending.second)}
        return found


def _row(finding: Finding) -> dict[str, Any]:
    phones: Difference = finding.phones
    return {
        "heard": finding.heard,
        "causes": [str(cause) for cause in finding.causes],
        "phone_error_rate": round(phones.rate, 4),
        "errors": phones.errors,
        "phones": phones.length,
        "longest_run": phones.longest_run,
        "missing_at_start": phones.missing_at_start,
        "missing_at_end": phones.missing_at_end,
        "added_at_end": phones.added_at_end,
        "leaked": finding.leaked,
        "sound_seconds": finding.sound.seconds,
        "pause": finding.sound.pause,
        "clipped": finding.sound.clipped,
    }


def summarize(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Count what became of lines.

    Args:
        records: What `Verification.row` gave.

    Returns:
        `lines`, a count of each outcome that occurred, `by_cause` (of each cause how many lines failed for it before
        mending and how many still do), `helped` (how many lines each step mended), and where a second recogniser heard
        the lines that were mended, `second` with its phone error rate before and after.
    """
    rows = list(records)
    outcomes = Counter(row["outcome"] for row in rows)
    before = Counter(cause for row in rows for cause in row.get("before", row).get("causes", []))
    after = Counter(cause for row in rows for cause in row.get("causes", []))
    summary: dict[str, Any] = {"lines": len(rows)}
    summary |= {outcome: outcomes[outcome] for outcome in OUTCOMES if outcomes[outcome]}
    if before:
        summary["by_cause"] = {
            cause: {"before": count, "after": after.get(cause, 0)} for cause, count in before.most_common()
        }
    helped = Counter(row["how"] for row in rows if row["outcome"] == "mended")
    if helped:
        summary["helped"] = dict(helped.most_common())
    second = [row["second"] for row in rows if row["outcome"] == "mended" and "second" in row]
    if second:
        summary["second"] = {
            "recogniser": second[0]["recogniser"],
            "lines": len(second),
            **{when: _pooled(row[when] for row in second) for when in ("before", "after")},
        }
    return summary


def unfixable(summary: Mapping[str, Any]) -> int:
    """Return how many lines do not say what they should: those that could not be mended, or were not tried to be."""
    return sum(summary.get(outcome, 0) for outcome in ("unfixable", "failed"))


def _pooled(counts: Iterable[tuple[int, int]]) -> float:
    errors, phones = (sum(part) for part in zip(*counts, strict=True))
    return round(errors / max(1, phones), 4)
