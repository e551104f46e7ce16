"""The ledger: what became of every item that a stage was given.

An input item is accounted for when it was kept or dropped under its own name, or when something made from it was (a
clip of a recording; the entry says `of`). Nothing may vanish: `close` fails on an item that nobody accounted for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from voicemill.contract.progress import progress
from voicemill.core.errors import InputError
from voicemill.core.logs import get_logger

log = get_logger(__name__)
T = TypeVar("T")

latest: ContextVar[Ledger | None] = ContextVar("latest", default=None)
"""The ledger that the running stage opened last: what it holds is written down even when the stage then fails."""
_NAMED = 5
SKIPPED = "skipped: "
"""How the reason begins for what was never to be kept."""


def as_json(value: Any) -> str:
    """JSON of ledger and summary fields: numpy and torch scalars as the numbers they are, paths as text."""
    return json.dumps(value, ensure_ascii=False, default=lambda one: one.item() if hasattr(one, "item") else str(one))


def _name_of(item: object) -> str:
    return str(getattr(item, "name", item))


class Ledger:
    """Kept and dropped items, in the order in which they were decided.

    Attributes:
        entries: One flat dict an item: `item`, `outcome` (`kept` or `dropped`), `reason` if dropped, `of` if it was
            made from another item, and the details given by the caller.
    """

    def __init__(self) -> None:
        latest.set(self)
        self.entries: list[dict[str, Any]] = []
        self._notes: dict[str, Any] = {}
        self._open: list[str] = []
        self._accounted: dict[str, bool] = {}
        self._names: set[str] = set()

    @classmethod
    def restored(cls, entries: list[dict[str, Any]], notes: dict[str, Any]) -> Ledger:
        """Return the ledger of work that was done before.

        Args:
            entries: Its entries.
            notes: What was noted.
        """
        ledger = cls()
        ledger.entries, ledger._notes = list(entries), dict(notes)
        return ledger

    @property
    def notes(self) -> dict[str, Any]:
        """What was noted for the summary."""
        return dict(self._notes)

    def each(
        self,
        items: Iterable[T],
        *,
        total: int | None = None,
        name: Callable[[T], str] = _name_of,
        label: str = "",
    ) -> Iterator[T]:
        """Go through input items with progress shown; each must be accounted for before the stage ends.

        Args:
            items: What to go through.
            total: How many there are, where `items` has no length.
            name: Names an item in the ledger; by default its `.name`, else `str(item)`.
            label: What the progress bar says.
        """
        for item in progress(items, label, total=total):
            self._begin(name(item))
            try:
                yield item
            finally:
                self._open.pop()

    @contextmanager
    def item(self, name: str) -> Generator[None, None, None]:
        """One input item; an `InputError` inside drops it with that sentence.

        So does a `MemoryError`: an item that is too large for this machine must not end the stage with the exit code
        that asks for another try. Other errors propagate. They are bugs or errors of the output: whatever reads a
        user's file turns its failures into `InputError` (`voicemill.core.unreadable`).
        """
        self._begin(name)
        try:
            yield
        except InputError as error:
            self.drop(name, str(error))
        except MemoryError as error:
            self.drop(name, f"out of memory while processing it: {str(error) or 'it is too large'}")
        finally:
            self._open.pop()

    def keep(self, item: str | Path, **details: Any) -> None:
        """Record that an item (or something made from the open one) is in the output."""
        self._add(item, {"outcome": "kept"}, details)

    def drop(self, item: str | Path, reason: str, **details: Any) -> None:
        """Record that an item is not in the output, and why, in a sentence."""
        log.warning("dropped %s: %s", _name_of(item), reason)
        self._add(item, {"outcome": "dropped", "reason": reason}, details)

    def note(self, **fields: Any) -> None:
        """Add fields (scalars, small lists and dicts) to the summary."""
        self._notes.update(fields)

    @property
    def kept(self) -> int:
        return sum(entry["outcome"] == "kept" for entry in self.entries)

    @property
    def dropped(self) -> int:
        return len(self.entries) - self.kept

    def losses(self) -> str:
        """How many items were dropped that might have been kept, and the first with its reason, for a sentence.

        Where nothing was kept, also what was skipped on purpose.
        """
        drops = [entry for entry in self.entries if not entry.get("reason", SKIPPED).startswith(SKIPPED)]
        first = f"; the first: {drops[0]['item']}: {drops[0]['reason']}" if drops else ""
        return f"{len(drops)} dropped{first}{'' if self.kept else self._skipped()}"

    def _skipped(self) -> str:
        names = [str(entry["item"]) for entry in self.entries if entry.get("reason", "").startswith(SKIPPED)]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return f"; ignored: {', '.join(names[:_NAMED])}{more}" if names else ""

    def require(self, minimum: int = 1, what: str = "items") -> None:
        """End the stage rather than "succeed" with too little.

        Raises:
            InputError: if fewer than `minimum` items were kept; says how many were dropped and the first reason.
        """
        if self.kept >= minimum:
            return
        raise InputError(f"{self.kept} {what} left, at least {minimum} needed ({self.losses()})")

    def summary(self) -> dict[str, Any]:
        """Counts (`in` = `kept` + `dropped`), `seconds` over kept items that carry it, and the notes."""
        fields: dict[str, Any] = {"in": len(self.entries), "kept": self.kept, "dropped": self.dropped}
        seconds = [entry["seconds"] for entry in self.entries if entry["outcome"] == "kept" and "seconds" in entry]
        if seconds:
            fields["seconds"] = round(sum(seconds), 3)
        return {**fields, **self._notes}

    def close(self) -> None:
        """Check that every input item was accounted for.

        Raises:
            AssertionError: naming the items that were neither kept nor dropped.
        """
        lost = [name for name, accounted in self._accounted.items() if not accounted]
        assert not lost, f"neither kept nor dropped: {', '.join(lost)}"

    def lines(self, **context: Any) -> str:
        """Return the ledger as JSON lines, each with the fields of `context` (stage, speaker) first."""
        rows = ({**context, **entry} for entry in self.entries)
        return "".join(as_json(row) + "\n" for row in rows)

    def _begin(self, name: str) -> None:
        self._open.append(name)
        self._accounted.setdefault(name, False)

    def _add(self, item: str | Path, outcome: dict[str, str], details: dict[str, Any]) -> None:
        name = _name_of(item)
        assert name not in self._names, f"{name} is in the ledger twice"
        self._names.add(name)
        entry: dict[str, Any] = {"item": name, **outcome}
        if self._open and self._open[-1] != name:
            entry["of"] = self._open[-1]
        assert not entry.keys() & details.keys(), f"details use a reserved field: {details}"
        self.entries.append({**entry, **details})
        for open_name in [*self._open, name]:
            if open_name in self._accounted:
                self._accounted[open_name] = True
