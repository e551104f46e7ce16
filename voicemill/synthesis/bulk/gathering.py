"""What all shards spoke, in the order of the script, every line accounted for."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from voicemill.core import untrusted
from voicemill.core.errors import InputError
from voicemill.synthesis.bulk.planning import EMPTY, Shard, read_plan
from voicemill.synthesis.verification.outcome import KEY

Row = dict[str, Any]
_HINT = "plan and speak the script in a new run"
_NAMED = 10
_NOT_OF_THE_ROW = ("stage", "item", "outcome", "reason", "file")


@dataclass
class Spoken:
    """What became of a voice's lines.

    Attributes:
        speaker: Whose voice.
        voice: Where it is.
        versions: The versions that spoke; more than one is a mistake.
        spoken: Lines spoken.
        dropped: Lines that could not be.
        seconds: Of speech.
        reason: Why the first of those was dropped.
        outcomes: How many of the lines that were verified ended how.
        causes: How many of them failed for what, as they were spoken first.
    """

    speaker: str
    voice: str
    versions: set[str] = field(default_factory=set)
    spoken: int = 0
    dropped: int = 0
    seconds: float = 0.0
    reason: str = ""
    outcomes: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)


def gather(plan: Path, ledgers: Path, manifest: Path, *, place: str) -> list[Spoken]:
    """Write the manifest of a script: a row for each line and voice, in the script's order.

    Rows go through a database on disk, so that memory does not grow with the script.

    Args:
        plan: The folder that `planning.plan` made.
        ledgers: The ledgers of the shards, `<shard>.jsonl`.
        manifest: The file to write.
        place: Where a shard's files are, with `{speaker}` and `{shard}` in place of its own.

    Returns:
        What became of each voice's lines.

    Raises:
        InputError: If a shard or a line is missing, is there twice, or is another, or two versions of a voice spoke.
    """
    planned = read_plan(plan)
    _complete(planned.shards, ledgers)
    voices: dict[str, Spoken] = {}
    order: dict[str, int] = {}
    with (
        tempfile.TemporaryDirectory(prefix="voicemill-gather-") as scratch,
        closing(sqlite3.connect(Path(scratch) / "rows.sqlite")) as database,
    ):
        database.execute("PRAGMA journal_mode=OFF")
        database.execute("PRAGMA synchronous=OFF")
        database.execute(
            "CREATE TABLE rows (line INTEGER, voice INTEGER, row TEXT, PRIMARY KEY (line, voice)) WITHOUT ROWID"
        )
        _put(database, 0, ((line, _dropped(line, "the line is empty")) for line, _ in _lines(plan / EMPTY)))
        for shard in planned.shards:
            voice = voices.setdefault(shard.voice, Spoken(shard.speaker, shard.voice))
            position = order.setdefault(shard.voice, len(order) + 1)
            _put(database, position, _rows(plan, ledgers, shard, place, voice))
        (count,) = database.execute("SELECT count(*) FROM rows").fetchone()
        assert count == planned.to_be_spoken() + planned.empty
        with manifest.open("w", encoding="utf-8") as file:
            for (row,) in database.execute("SELECT row FROM rows ORDER BY line, voice"):
                file.write(row + "\n")
    for voice in voices.values():
        if len(voice.versions) > 1:
            raise InputError(
                f"{voice.voice} was changed during synthesis: lines were spoken by {', '.join(sorted(voice.versions))};"
                " name a version of a registry, and speak the script in a new run"
            )
    return list(voices.values())


def _complete(shards: list[Shard], ledgers: Path) -> None:
    missing = [shard for shard in shards if not _ledger(ledgers, shard).is_file()]
    if missing:
        names = ", ".join(f"{shard.shard} ({shard.speaker})" for shard in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise InputError(
            f"{len(missing)} of {len(shards)} shards have no ledger: {names}{more};"
            " run it again; finished lines are not repeated"
        )


def _put(database: sqlite3.Connection, voice: int, rows: Iterable[tuple[int, Row]]) -> None:
    values = ((line, voice, json.dumps(row, ensure_ascii=False)) for line, row in rows)
    try:
        database.executemany("INSERT INTO rows VALUES (?, ?, ?)", values)
    except sqlite3.IntegrityError as error:
        raise InputError(f"a line is planned twice for the same voice ({error})") from error


def _rows(plan: Path, ledgers: Path, shard: Shard, place: str, voice: Spoken) -> Iterator[tuple[int, Row]]:
    """Return the rows of a shard, its plan beside its ledger, line by line."""
    folder = place.format(speaker=shard.speaker, shard=shard.shard)
    where = _ledger(ledgers, shard)
    told = partial(untrusted.member, name=where, hint=_HINT)
    with where.open("rb") as file:
        for wanted, text in zip_longest(_lines(plan / f"{shard.shard}.jsonl"), file):
            entry = untrusted.parse_json(text, where, dict, hint=_HINT, nan=True) if text else {}
            item = told(entry, "item", str) if entry else ""
            if wanted is None or item != f"{wanted[0]:06d}":
                line = f"line {wanted[0]}" if wanted else f"the line {item}"
                there = f"{item} is in its place" if entry and wanted else "one is there without the other"
                raise InputError(
                    f"the ledger of shard {shard.shard} ({shard.speaker}) is not that of its lines: {line}: {there};"
                    " speak the script in a new run"
                )
            line, settings = wanted
            if told(entry, "outcome", str) == "dropped":
                reason = told(entry, "reason", str)
                voice.dropped += 1
                voice.reason = voice.reason or f"line {line}: {reason}"
                yield line, _dropped(line, reason, speaker=shard.speaker, **settings)
                continue
            text = untrusted.member(settings, "text", str, plan / f"{shard.shard}.jsonl", hint=_HINT)
            voice.spoken += 1
            voice.seconds += told(entry, "seconds", float)
            voice.versions.add(told(entry, "voice", str))
            _count(entry, voice, where)
            said = {key: value for key, value in entry.items() if key not in _NOT_OF_THE_ROW}
            about = {"line": line, "speaker": shard.speaker, "file": f"{folder}/{told(entry, 'file', str)}"}
            yield line, {**about, "text": text, **said}


def _count(entry: Row, voice: Spoken, where: Path) -> None:
    """Count how a line that was verified ended, and why it failed at first."""
    if KEY not in entry:
        return
    found = untrusted.member(entry, KEY, dict[str, Any], where, hint=_HINT)
    voice.outcomes[untrusted.member(found, "outcome", str, where, hint=_HINT)] += 1
    first = untrusted.member(found, "before", dict[str, Any], where, hint=_HINT) if "before" in found else found
    if "causes" in first:
        voice.causes.update(untrusted.member(first, "causes", list[str], where, hint=_HINT))


def _dropped(line: int, reason: str, **details: Any) -> Row:
    return {"line": line, **details, "dropped": reason}


def _ledger(ledgers: Path, shard: Shard) -> Path:
    return ledgers / f"{shard.shard}.jsonl"


def _lines(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open("rb") as file:
        for text in file:
            fields = untrusted.parse_json(text, path, dict, hint=_HINT)
            line = untrusted.member(fields, "line", int, path, hint=_HINT)
            yield line, {name: value for name, value in fields.items() if name != "line"}
