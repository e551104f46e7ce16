"""The `.list` annotation format, `path|speaker|language|text`, one clip a line, and the simpler `file|text|lang` table.

A bar ends a field and nothing escapes it, so a text cannot hold one: a line with more or fewer than four fields is a
mistake and is reported with its number, never guessed at. Byte order marks, CRLF ends and blank lines are accepted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from voicemill.core import files, untrusted
from voicemill.core.errors import InputError, UsageError
from voicemill.core.names import Names, normal

LANGUAGES = ("zh", "en", "ja", "ko", "yue")
TABLE_HEADER = ["file", "text", "lang"]
_SHOWN = 10
_HEAD = 50
# SubRip and WebVTT: hours may be left out, and the fraction follows a comma or a point.
_CUE = re.compile(r"\s*(\d+:)?\d{1,2}:\d{2}[,.]\d{1,3}\s+-->\s+(\d+:)?\d{1,2}:\d{2}[,.]\d{1,3}")


@dataclass(frozen=True)
class Label:
    """What is said in one clip.

    Attributes:
        path: The clip as the file names it: a name, a relative or an absolute path, with / between its parts.
        speaker: Who speaks; empty in a table.
        language: One of `LANGUAGES`.
        text: The words, on one line, without a bar; may be empty.
    """

    path: str
    speaker: str
    language: str
    text: str

    @property
    def name(self) -> str:
        """File name of the clip, without folders."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class Problem:
    """A line that is not a label: its number, counted from 1, and what is wrong with it."""

    line: int
    reason: str


def language_code(name: str) -> str | None:
    """Return the language that a label's third field means, in any case, with JP for Japanese; None for any other."""
    code = {"jp": "ja"}.get(name.strip().lower(), name.strip().lower())
    return code if code in LANGUAGES else None


def one_line(text: str) -> str:
    """Return a text as a label can hold it: white space collapsed, bars turned into commas."""
    return " ".join(text.replace("|", ",").split())


def scan(path: Path) -> tuple[list[Label], list[Problem]]:
    """Read a label file, collecting the lines that cannot be used.

    Args:
        path: A `.list` file, or a table whose first line is `file|text|lang`.

    Returns:
        The labels in file order, and the problems in file order.

    Raises:
        InputError: The file is not there, not UTF-8, or a subtitle file.
        UsageError: It is a folder.
    """
    labels: list[Label] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for number, label in _parse(path):
        if isinstance(label, str):
            problems.append(Problem(number, label))
        elif (name := normal(label.path)) in seen:
            problems.append(Problem(number, f"{label.path} already has a transcript on line {seen[name]}"))
        else:
            seen[name] = number
            labels.append(label)
    return labels, problems


def read(path: Path) -> list[Label]:
    """Read a label file in which every line must be right.

    Args:
        path: As for `scan`.

    Raises:
        InputError: Naming every wrong line (the first ten of them).
    """
    labels, problems = scan(path)
    if problems:
        shown = "; ".join(f"line {problem.line}: {problem.reason}" for problem in problems[:_SHOWN])
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise InputError(f"{path.name}: {shown}{more}")
    return labels


def by_clip(labels: Iterable[Label], clips: Iterable[str]) -> dict[str, Label]:
    """Return labels by the names of their clips, in whatever Unicode form or case the two are written.

    Args:
        labels: Each names one clip; folders in its path do not count.
        clips: Names of the clips.

    Returns:
        Labels by the name of the clip, which their paths are too; those without a clip by the name they give.

    Raises:
        InputError: Two labels are of one clip.
    """
    names = Names(clips)
    found: dict[str, Label] = {}
    for label in labels:
        clip = names.sole(label.name) or label.name
        if clip in found:
            raise InputError(f"the clip {clip} has two transcripts, {found[clip].path} and {label.path}; remove one")
        found[clip] = replace(label, path=clip)
    return found


def write(path: Path, labels: Iterable[Label]) -> None:
    """Write a `.list` file whole or not at all; languages in capitals, as the reference's tools do.

    Raises:
        ValueError: A field holds a bar or a line break.
    """
    lines = []
    for label in labels:
        fields = (label.path, label.speaker, label.language.upper(), label.text)
        if any(set("|\r\n") & set(field) for field in fields):
            raise ValueError(f"a transcript row's field cannot contain | or a line break: {fields}")
        lines.append("|".join(fields) + "\n")
    files.write_text(path, "".join(lines))


def _parse(path: Path) -> Iterator[tuple[int, Label | str]]:
    """Line numbers, each with its label or with what is wrong."""
    if path.is_dir():
        inside = sorted(each.name for each in path.glob("*.list"))
        which = f", such as {path / inside[0]}" if inside else ""
        raise UsageError(f"{path} is a folder; give the .list file itself{which}")
    if not path.exists():
        raise InputError(f"{path} is not there")
    data = untrusted.read_bytes(path)
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path.name}: line {line} is not UTF-8 text; save the file as UTF-8") from error
    # Not splitlines: U+2028 and its like are text.
    lines = [line.rstrip("\r") for line in content.split("\n")]
    if any(_CUE.match(line) for line in lines[:_HEAD]):
        raise InputError(
            f"{path.name} looks like a subtitle file (its lines have times and -->); transcripts are lines of "
            "path|speaker|language|text, one for each clip or recording"
        )
    is_table = [field.strip().lower() for field in lines[0].split("|")] == TABLE_HEADER
    for number, line in enumerate(lines, 1):
        if line.strip() and not (is_table and number == 1):
            yield number, _row(line, is_table)


def _row(line: str, is_table: bool) -> Label | str:
    form = TABLE_HEADER if is_table else ["path", "speaker", "language", "text"]
    fields = [field.strip() for field in line.split("|")]
    if len(fields) != len(form):
        return f"{len(fields)} fields instead of {len(form)} ({'|'.join(form)}; the text cannot contain |)"
    if is_table:
        path, text, language = fields
        speaker = ""
    else:
        path, speaker, language, text = fields
    # Paths are pasted from file managers: quoted, with an invisible direction mark in front, or with backslashes.
    path = path.strip("\u202a\"' ").replace("\\", "/")
    if not path:
        return "it names no file"
    code = language_code(language)
    if code is None:
        return f"unknown language {language!r}; use one of {', '.join(LANGUAGES)}"
    return Label(path, speaker, code, text)
