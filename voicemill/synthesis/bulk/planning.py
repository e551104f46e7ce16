"""A script is read as a whole before anything is spoken, and cut into shards of one voice each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.synthesis.bulk.cast import Cast, Voice
from voicemill.synthesis.script import EmptyLine, read_lines, write_shard

_HINT = "plan the script again"
MOST_SHARDS = 1000
"""A shard is a pod, and the status of a workflow holds all its pods."""

EMPTY = "empty.jsonl"
_PLAN = "plan.json"
_SHOWN = 100


@dataclass(frozen=True)
class Shard:
    """Lines that one pod speaks.

    Attributes:
        shard: Its name, five digits.
        speaker: Whose voice speaks them.
        voice: Where that voice is.
        lines: How many there are.
    """

    shard: str
    speaker: str
    voice: str
    lines: int


@dataclass(frozen=True)
class Plan:
    """A script, cut up.

    Attributes:
        lines: Lines of the script, with those on which there is nothing.
        empty: How many those are.
        shards: Its parts, the voices one after the other, each in the script's order.
    """

    lines: int
    empty: int
    shards: list[Shard]

    def to_be_spoken(self) -> int:
        """Return how often a line is to be spoken by a voice."""
        return sum(shard.lines for shard in self.shards)


@dataclass
class _Found:
    """What a first reading finds: lines, those with nothing, lines of each voice, mistakes by line."""

    lines: int = 0
    empty: int = 0
    voices: dict[Voice, int] = field(default_factory=dict)
    mistakes: list[tuple[int, str]] = field(default_factory=list)


class Mistaken(InputError):
    """A script that cannot be spoken as it is; nothing is begun.

    Attributes:
        mistakes: All of them, with the number of the line, 0 for the list of voices.
    """

    def __init__(self, name: str, mistakes: list[tuple[int, str]]) -> None:
        self.mistakes = mistakes
        shown = [f"  line {line}: {text}" if line else f"  {text}" for line, text in mistakes[:_SHOWN]]
        more = [f"  and {len(mistakes) - _SHOWN} more"] if len(mistakes) > _SHOWN else []
        count = f"{len(mistakes)} mistakes" if len(mistakes) > 1 else "a mistake"
        super().__init__("\n".join([f"{name} has {count}; nothing was spoken:", *shown, *more]))


def plan(script: Path | str, cast: Cast, folder: Path, *, shard_lines: int) -> Plan:
    """Read a script, and write its shards into a folder.

    Args:
        script: A text file, JSON lines, or the text itself.
        cast: Its voices: a line that names none is spoken by each of the common ones.
        folder: Where the plan goes.
        shard_lines: Lines in a shard; more where there would be too many shards.

    Raises:
        Mistaken: With everything that is wrong.
        InputError: If it cannot be read at all, or nothing is to be spoken.
    """
    name = str(script) if isinstance(script, Path) else "the script"
    found = _Found(mistakes=[(0, mistake) for mistake in cast.mistakes])
    for number, _, voices in _spoken(script, cast, found):
        found.lines = number
        found.empty += not voices
        for voice in voices:
            found.voices[voice] = found.voices.get(voice, 0) + 1
    if found.mistakes:
        raise Mistaken(name, found.mistakes)
    if not found.voices:
        raise InputError(f"{name} has only empty lines")
    size = _size(list(found.voices.values()), shard_lines)
    shards = _write(script, cast, folder, found, size)
    made = Plan(found.lines, found.empty, shards)
    (folder / _PLAN).write_text(json.dumps(asdict(made), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return made


def read_plan(folder: Path) -> Plan:
    """Return the plan that a folder holds.

    Raises:
        InputError: If it is damaged, or names files outside of the folder.
    """
    path = folder / _PLAN
    plan = untrusted.shaped(Plan, untrusted.read_json(path, dict, hint=_HINT), path, hint=_HINT)
    for shard in plan.shards:
        if not shard.shard.isalnum():
            raise InputError(f"{display(path)} names the shard {display(shard.shard)}, which is not a number; {_HINT}")
    return plan


def _spoken(script: Path | str, cast: Cast, found: _Found) -> Iterator[tuple[int, dict[str, Any], list[Voice]]]:
    """Return number, settings and voices of each line, no voices for an empty one; mistakes go to `found`."""
    for number, line in enumerate(read_lines(script), start=1):
        voices: list[Voice] = []
        settings: dict[str, Any] = {}
        try:
            settings = line.settings("voice")
            named = settings.pop("voice", "")
            voices = [cast.find(named)] if named else cast.common
            if not voices and not cast.mistakes:
                raise InputError("it has no voice: set its `voice`, or `voices` for all lines")
        except EmptyLine:
            settings = {}
        except InputError as error:
            found.mistakes.append((number, str(error)))
        yield number, settings, voices


def _size(counts: list[int], shard_lines: int) -> int:
    if len(counts) >= MOST_SHARDS:
        raise InputError(f"{len(counts)} voices are too many: a run has at most {MOST_SHARDS} shards")
    if sum(ceil(count / shard_lines) for count in counts) <= MOST_SHARDS:
        return shard_lines
    # Each voice may have one shard that is not full.
    return ceil(sum(counts) / (MOST_SHARDS - len(counts)))


def _write(script: Path | str, cast: Cast, folder: Path, found: _Found, size: int) -> list[Shard]:
    shards: list[Shard] = []
    following: dict[Voice, int] = {}
    for voice, count in found.voices.items():
        following[voice] = len(shards)
        for start in range(0, count, size):
            name = f"{len(shards):05d}"
            shards.append(Shard(name, voice.speaker, voice.place, min(size, count - start)))
    full: dict[Voice, list[tuple[int, dict[str, Any]]]] = {voice: [] for voice in found.voices}
    empty: list[tuple[int, dict[str, Any]]] = []
    for number, settings, voices in _spoken(script, cast, found):
        if not voices:
            empty.append((number, {}))
        for voice in voices:
            lines = full[voice]
            lines.append((number, settings))
            shard = shards[following[voice]]
            if len(lines) == shard.lines:
                write_shard(folder / f"{shard.shard}.jsonl", lines)
                following[voice] += 1
                lines.clear()
    assert not any(full.values()), "the script changed while it was read"
    write_shard(folder / EMPTY, empty)
    return shards
