"""Matches golden cases with the functions that check them.

A section's module registers a function for a pattern of case names:

    @covers("A_s2", "v2_decode_*")
    def decode(case: Case) -> None:
        model = ...
        case.check("wav", model.decode(...))

A check returns when all is equal, raises AssertionError when it is not, and raises `Differs` where we differ from the
reference on purpose, naming the entry of docs/explanation/decisions.md.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voicemill.parity.fixtures import Case, Fixtures

__all__ = ["Case", "Differs", "Outcome", "covers", "run"]

SECTIONS = ("sovits", "gpt", "text", "audio", "dataset", "synthesis", "flow_matching")

_checks: list[tuple[str, str, Callable[[Case], None]]] = []


class Differs(Exception):
    """We differ from the reference on purpose; the message is `decision N: why`."""


@dataclass(frozen=True)
class Outcome:
    """What came of one case: `passed`, `failed` or `differs`, with the reason of the latter two."""

    case: Case
    status: str
    reason: str
    seconds: float


def covers(group: str, *patterns: str) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Register the decorated function as the check of the group's cases whose id matches one of the patterns."""

    def register(check: Callable[[Case], None]) -> Callable[[Case], None]:
        _checks.extend((group, pattern, check) for pattern in patterns)
        return check

    return register


@functools.cache
def load_sections() -> str:
    """Import every section, once; returns what could not be imported, which the cases that miss it then say."""
    broken = []
    for section in SECTIONS:
        try:
            importlib.import_module(f"voicemill.parity.{section}")
        except ImportError as error:
            broken.append(f"voicemill.parity.{section} cannot be imported: {error}")
    return "; ".join(broken)


def find_check(case: Case) -> Callable[[Case], None] | None:
    for group, pattern, check in _checks:
        if group == case.group and fnmatch.fnmatchcase(case.id, pattern):
            return check
    return None


def run_case(case: Case) -> Outcome:
    broken = load_sections()
    began = time.perf_counter()
    check = find_check(case)
    status, reason = "failed", f"nothing checks this case {broken and f'({broken})'}".strip()
    if check:
        try:
            check(case)
            status, reason = "passed", ""
        except Differs as difference:
            status, reason = "differs", str(difference)
        except Exception as error:  # noqa: BLE001 - whatever a case raises is its outcome; the other cases go on
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = " ".join(str(error).split()) or "no message"
            reason = f"{type(error).__name__}: {text[:600]} ({Path(where.filename).name}:{where.lineno})"
    return Outcome(case, status, reason, time.perf_counter() - began)


def run(root: Path, only: str = "*") -> list[Outcome]:
    """Run the cases whose `group/id` matches `only`, printing one line each as it ends."""
    outcomes = []
    for case in Fixtures(root).cases():
        if fnmatch.fnmatchcase(case.name, only):
            outcome = run_case(case)
            reason = f"  {outcome.reason}" if outcome.reason else ""
            print(f"{outcome.status:8}{outcome.seconds:7.2f} s  {case.name}{reason}", flush=True)
            outcomes.append(outcome)
    return outcomes
