"""What a reviewer may do to clips: each edit, from the rows as they are, to the rows that change.

An edit names the version of every clip that it changes. Where a clip has another version by then, someone else was
faster: the edit is a `Conflict`, nothing is changed, and the reviewer is shown both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from voicemill.asr.flags import flags, follows_from_text
from voicemill.audio.clip_names import RATE, name_of
from voicemill.core.errors import VoicemillError
from voicemill.dataset.labels import one_line
from voicemill.dataset.transcript_rows import Row

# What training takes: the limits of voicemill.dataset.clip_features, which imports libraries that a web server does
# without.
SHORTEST_SECONDS, LONGEST_SECONDS = 0.6, 54.0
_SPACED = ("en", "ko")

# Beyond, neither SQLite nor the page's own numbers are exact.
LARGEST_NUMBER = 2**53 - 1
Number = Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]
Text = Annotated[str, Field(max_length=2000)]
ClipName = Annotated[str, Field(min_length=1, max_length=300)]


class InvalidEdit(VoicemillError):
    """An edit that makes no sense, in a sentence for the reviewer; `code` is its name in the page's languages."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Conflict(VoicemillError):
    """Someone else changed the clips first.

    Attributes:
        clips: The clips that are not what the reviewer saw.
    """

    def __init__(self, clips: Sequence[str]) -> None:
        super().__init__(f"changed by someone else: {', '.join(clips)}")
        self.clips = tuple(clips)


class Edit(BaseModel):
    """An edit as the page sends it.

    Attributes:
        id: Chosen by the page, once for each edit: one that is sent again is not applied again.
        action: What to do.
        clip: To which clip.
        version: Its version as the reviewer saw it.
        text: For "text".
        language: For "text"; as it is if not given.
        other: For "merge": the next clip of the recording.
        other_version: Its version.
        at: For "split": where, in samples at 32 kHz from the clip's start.
        texts: For "split": the words before and after.
        of: For "undo": the number of the change to take back.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{16,64}$")]
    action: Literal["text", "drop", "restore", "check", "uncheck", "merge", "split", "undo"]
    clip: ClipName
    version: Number
    text: Text | None = None
    language: Literal["zh", "en", "ja", "ko", "yue"] | None = None
    other: ClipName | None = None
    other_version: Number | None = None
    at: Number | None = None
    texts: Annotated[list[Text], Field(min_length=2, max_length=2)] | None = None
    of: Annotated[int, Field(ge=1, le=LARGEST_NUMBER)] | None = None


@dataclass(frozen=True)
class Change:
    """A clip before and after; None where it does not exist."""

    clip: str
    before: Row | None
    after: Row | None

    def as_json(self) -> dict[str, Any]:
        return {
            "clip": self.clip,
            "before": self.before and self.before.as_json(),
            "after": self.after and self.after.as_json(),
        }


class State(Protocol):
    """What an edit is judged by."""

    @property
    def rows(self) -> Mapping[str, Row]:
        """Row by clip."""
        ...

    @property
    def versions(self) -> Mapping[str, int]:
        """Number of the last change of a clip; 0, and left out, where nothing was changed."""
        ...

    def following(self, clip: str) -> Row | None:
        """Return the next clip of the same recording."""
        ...

    def changes_of(self, number: int) -> tuple[Change, ...]:
        """Return what a change did; empty for an unknown number."""
        ...


def plan(state: State, edit: Edit) -> tuple[Change, ...]:
    """Return the changes that an edit makes; none where all is so already.

    Raises:
        Conflict: A clip is not what the reviewer saw.
        InvalidEdit: The edit cannot be made.
    """
    if edit.action == "undo":
        return _undo(state, edit)
    row = state.rows.get(edit.clip)
    if row is not None and edit.action in _SINGLE:
        after = _SINGLE[edit.action](row, edit)
        if after == row:
            # Both want the same: nobody's work is lost.
            return ()
        _expect(state, {edit.clip: edit.version})
        return (Change(row.clip, row, after),)
    _expect(state, {edit.clip: edit.version})
    if row is None:
        raise InvalidEdit("unknown", "the clip does not exist")
    if edit.action == "merge":
        return _merge(state, row, edit)
    return _split(row, edit)


def _expect(state: State, versions: Mapping[str, int | None]) -> None:
    changed = [clip for clip, version in versions.items() if state.versions.get(clip, 0) != version]
    if changed:
        raise Conflict(changed)


def _text(row: Row, edit: Edit) -> Row:
    if edit.text is None:
        raise InvalidEdit("incomplete", "the text is missing")
    language, text = edit.language or row.language, one_line(edit.text)
    if (language, text) == (row.language, row.text):
        return row
    return replace(row, language=language, text=text, source="reviewer", checked=True)


_SINGLE: dict[str, Callable[[Row, Edit], Row]] = {
    "text": _text,
    "drop": lambda row, edit: replace(row, dropped=True, checked=True),
    "restore": lambda row, edit: replace(row, dropped=False, checked=True),
    "check": lambda row, edit: replace(row, checked=True),
    "uncheck": lambda row, edit: replace(row, checked=False),
}


def _merge(state: State, row: Row, edit: Edit) -> tuple[Change, ...]:
    if edit.other is None:
        raise InvalidEdit("incomplete", "the other clip is missing")
    _expect(state, {edit.other: edit.other_version})
    other = state.following(row.clip)
    if other is None or other.clip != edit.other:
        raise InvalidEdit("no-neighbour", "only a clip and the next one of the same recording can be merged")
    if row.dropped or other.dropped:
        raise InvalidEdit("dropped", "a dropped clip cannot be merged; restore it first")
    recording, start, _ = row.place
    end = other.place[2]
    seconds = round((end - start) / RATE, 3)
    if seconds > LONGEST_SECONDS:
        raise InvalidEdit(
            "too-long", f"merged, they are {seconds:.1f} s long; training accepts at most {LONGEST_SECONDS:g} s"
        )
    merged = Row(
        clip=name_of(recording, start, end),
        seconds=seconds,
        language=row.language,
        text=(" " if row.language in _SPACED else "").join(filter(None, (row.text, other.text))),
        confidence=min(row.confidence, other.confidence),
        source=row.source if row.source == other.source else "reviewer",
        flags=tuple(dict.fromkeys((*row.flags, *other.flags))),
        disagreement=max((one for one in (row.disagreement, other.disagreement) if one is not None), default=None),
        pace=round((row.pace * row.seconds + other.pace * other.seconds) / max(seconds, 1e-3), 2),
        doubt=max(row.doubt, other.doubt),
        checked=row.checked and other.checked,
    )
    return Change(row.clip, row, None), Change(other.clip, other, None), Change(merged.clip, None, merged)


def _split(row: Row, edit: Edit) -> tuple[Change, ...]:
    if edit.at is None or edit.texts is None:
        raise InvalidEdit("incomplete", "the split position or the texts are missing")
    recording, start, end = row.place
    if end <= start:
        raise InvalidEdit("no-place", "the clip's name does not contain its position in the recording")
    middle = start + edit.at
    if min(middle - start, end - middle) < SHORTEST_SECONDS * RATE:
        raise InvalidEdit("too-short", f"each part must be {SHORTEST_SECONDS:g} s or longer")
    parts: list[Row] = []
    for (first, last), text in zip(((start, middle), (middle, end)), map(one_line, edit.texts), strict=True):
        seconds = round((last - first) / RATE, 3)
        # The recogniser's doubt stays with both parts; what the length says is said anew.
        found = flags(text, row.language, seconds, row.confidence, 0.0)
        kept = [flag for flag in row.flags if not follows_from_text(flag)]
        name = name_of(recording, first, last)
        both = tuple(dict.fromkeys((*kept, *found)))
        parts.append(replace(row, clip=name, seconds=seconds, text=text, source="reviewer", flags=both))
    return Change(row.clip, row, None), *(Change(part.clip, None, part) for part in parts)


def _undo(state: State, edit: Edit) -> tuple[Change, ...]:
    done = state.changes_of(edit.of) if edit.of else ()
    if not done:
        raise InvalidEdit("nothing-to-undo", "the change does not exist")
    _expect(state, {change.clip: edit.of for change in done})
    return tuple(Change(change.clip, change.after, change.before) for change in done)
