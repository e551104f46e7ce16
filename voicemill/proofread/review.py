"""A review: the recogniser's rows with everything that reviewers changed, and the only way to change more."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from voicemill.audio.clip_names import place_of
from voicemill.core.errors import InputError, TryAgain
from voicemill.dataset.transcript_rows import Row, in_order
from voicemill.proofread.edits import Change, Conflict, Edit, plan
from voicemill.proofread.log import Entry, Log

# Each loss of the race for a place means that someone else's edit was written.
_TRIES = 50
_CARRIED_OVER = "carried-over-0000"

View = Literal["all", "flagged", "open", "edited", "dropped"]
Order = Literal["worst", "recorded"]


@dataclass(frozen=True)
class Counts:
    """How far a review is, in clips; `changes` counts the log's entries."""

    total: int
    kept: int
    dropped: int
    edited: int
    checked: int
    flagged: int
    open: int
    seconds: float


@dataclass(frozen=True)
class Page:
    """Some of a view's rows, and how many there are in all."""

    rows: list[Row]
    total: int


class Review:
    """Rows and their log. Every method may be called from any thread; other processes may write the same log.

    Args:
        base: The recogniser's rows.
        log: The record of changes.
    """

    def __init__(self, base: Iterable[Row], log: Log) -> None:
        self.base: Mapping[str, Row] = {row.clip: row for row in base}
        self.log = log
        self.rows: dict[str, Row] = dict(self.base)
        self.versions: dict[str, int] = {}
        self.number = 0
        self.approved: Entry | None = None
        self._lock = threading.RLock()
        self._ids: dict[str, int] = {}
        self._sorted: dict[Order, list[Row]] = {}
        self._counts: Counts | None = None
        self.refresh()

    def refresh(self) -> None:
        """Take in what others have written."""
        with self._lock:
            for entry in self.log.after(self.number):
                self._fold(entry)

    def edit(self, edit: Edit, reviewer: str) -> Entry | None:
        """Make an edit. What this returns from is written for good.

        Returns:
            Its entry, the same however often the edit is sent; None where all was so already.

        Raises:
            Conflict: Someone else changed the clips first; nothing was changed.
            InvalidEdit: The edit makes no sense.
            TryAgain: It could not be written.
        """
        return self._append(edit.id, reviewer, edit.action, lambda: plan(self, edit))

    def approve(self, id: str, reviewer: str, number: int) -> tuple[Entry, list[Row]]:
        """Record that the rows as of a number are what a voice shall be trained on.

        Args:
            id: Of the request; sent again, it is answered as before.
            reviewer: Who approves.
            number: The last entry that the reviewer has seen.

        Returns:
            The entry, and the rows to train on. Where the last entry is an approval already, that one.

        Raises:
            Conflict: Something was changed that the reviewer has not seen.
        """

        def unchanged() -> tuple[Change, ...]:
            if self.number != number:
                raise Conflict(sorted(self.changed_since(number)))
            return ()

        with self._lock:
            self.refresh()
            entry = self.approved
            if entry is None or not entry.number == self.number == number:
                entry = self._append(id, reviewer, "approve", unchanged, asdict(self.counts()))
            assert entry is not None
            if entry.number != self.number:
                raise Conflict(sorted(self.changed_since(entry.number)))
            return entry, self.kept()

    def carry_over(self, earlier: Iterable[Entry]) -> None:
        """Begin with what was changed in a review of earlier transcripts, where the recogniser says the same as it did.

        Clips that were changed together, by merging or splitting, are taken together or not at all.
        """
        first: dict[str, Row | None] = {}
        last: dict[str, Row | None] = {}
        together: dict[str, set[str]] = {}
        for entry in earlier:
            group = {clip for change in entry.changes for clip in together.get(change.clip, {change.clip})}
            together.update(dict.fromkeys(group, group))
            for change in entry.changes:
                first.setdefault(change.clip, change.before)
                last[change.clip] = change.after
        changes = tuple(
            Change(clip, first[clip], after)
            for clip, after in last.items()
            if after != first[clip] and all(self.base.get(other) == first[other] for other in together[clip])
        )
        if changes and not self.number:
            self._append(_CARRIED_OVER, "", "carry-over", lambda: changes)

    def page(self, view: View = "all", order: Order = "worst", query: str = "", start: int = 0, size: int = 50) -> Page:
        """Some rows.

        Args:
            view: Which rows: all, flagged, flagged and not looked at (open), edited, dropped.
            order: The most doubtful first, or as recorded. Looking at a clip does not change its place.
            query: Only rows whose text or name holds this, in any case.
            start: How many to leave out.
            size: How many to give.
        """
        with self._lock:
            wanted = query.casefold()
            rows = [
                row
                for row in self._in_order(order)
                if self._shows(view, row) and (wanted in row.text.casefold() or wanted in row.clip.casefold())
            ]
            return Page(rows[start : start + size], len(rows))

    def changed_since(self, number: int) -> dict[str, Row | None]:
        """Return the rows of the clips that were changed after a number; None for those that were removed."""
        with self._lock:
            return {clip: self.rows.get(clip) for clip, version in self.versions.items() if version > number}

    def following(self, clip: str) -> Row | None:
        """Return the next clip of the same recording."""
        with self._lock:
            rows, place = self._in_order("recorded"), place_of(clip)
            at = bisect_right(rows, place, key=lambda other: other.place)
            return rows[at] if at < len(rows) and rows[at].place[0] == place[0] else None

    def changes_of(self, number: int) -> tuple[Change, ...]:
        """Return what a change did; empty for an unknown number."""
        entry = self.log.read(number)
        return entry.changes if entry else ()

    def counts(self) -> Counts:
        """Return how far the review is."""
        with self._lock:
            if self._counts is not None:
                return self._counts
            rows = list(self.rows.values())
            kept = [row for row in rows if not row.dropped]
            flagged = [row for row in rows if row.flags]
            self._counts = Counts(
                total=len(rows),
                kept=len(kept),
                dropped=len(rows) - len(kept),
                edited=sum(self._is_edited(row) for row in rows),
                checked=sum(row.checked for row in rows),
                flagged=len(flagged),
                open=sum(not row.checked and not row.dropped for row in flagged),
                seconds=round(sum(row.seconds for row in kept), 3),
            )
            return self._counts

    def reviewers(self) -> list[str]:
        """Everybody who changed or approved something, in the order of their first change."""
        return list(dict.fromkeys(entry.reviewer for entry in self.log.after(0) if entry.reviewer))

    def kept(self) -> list[Row]:
        """Return the rows to train on, as recorded."""
        with self._lock:
            return [row for row in in_order(self.rows.values()) if not row.dropped]

    def last_change(self, clip: str) -> Entry | None:
        """Return who changed a clip last."""
        version = self.versions.get(clip, 0)
        return self.log.read(version) if version else None

    def _append(
        self,
        id: str,
        reviewer: str,
        action: str,
        changes: Callable[[], tuple[Change, ...]],
        details: Mapping[str, Any] | None = None,
    ) -> Entry | None:
        with self._lock:
            for _ in range(_TRIES):
                self.refresh()
                if id in self._ids:
                    return self.log.read(self._ids[id])
                made = changes()
                if not made and action != "approve":
                    return None
                time = datetime.now(UTC).isoformat(timespec="milliseconds")
                entry = Entry(self.number + 1, id, reviewer, time, action, made, dict(details or {}))
                if self.log.append(entry):
                    self._fold(entry)
                    return entry
        raise TryAgain("too many concurrent writes; try again")

    def _fold(self, entry: Entry) -> None:
        if entry.number != self.number + 1:
            raise InputError(f"the review's log lacks entry {self.number + 1}; put it back from a backup")
        for change in entry.changes:
            if change.after is None:
                self.rows.pop(change.clip, None)
            else:
                self.rows[change.clip] = change.after
            self.versions[change.clip] = entry.number
        self.number = entry.number
        self._ids[entry.id] = entry.number
        if entry.action == "approve":
            self.approved = entry
        if entry.changes:
            self._sorted.clear()
            self._counts = None

    def _in_order(self, order: Order) -> list[Row]:
        if order not in self._sorted:
            rows = in_order(self.rows.values())
            if order == "worst":
                rows.sort(key=lambda row: (-row.doubt, not row.flags, row.confidence))
            self._sorted[order] = rows
        return self._sorted[order]

    def _shows(self, view: View, row: Row) -> bool:
        if view == "flagged":
            return bool(row.flags)
        if view == "open":
            return bool(row.flags) and not row.checked and not row.dropped
        if view == "edited":
            return self._is_edited(row)
        return view == "all" or row.dropped

    def _is_edited(self, row: Row) -> bool:
        before = self.base.get(row.clip)
        return before is None or (before.language, before.text) != (row.language, row.text)


def list_lines(rows: Iterable[Row], speaker: str) -> Iterator[str]:
    """Return the lines of a `.list` file."""
    for row in rows:
        yield f"{row.clip}|{speaker.replace('|', '_')}|{row.language.upper()}|{row.text}\n"
