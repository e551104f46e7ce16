"""Markdown of reference pages: tables, docstrings as paragraphs and listings, and no markup by accident."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator

NOTICE = "<!-- Made by scripts/reference.py from the declarations: `make golden` writes it anew. -->"


def document(blocks: Iterable[str]) -> str:
    """Return a page of blocks, of which the first is its heading, with the notice that it is generated."""
    first, *rest = (block if block.startswith(("|", "#", "```", "    ")) else wrapped(block) for block in blocks)
    return "\n\n".join([first, NOTICE, *rest]) + "\n"


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table; what is in its cells is Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def documentation(text: str) -> Iterator[str]:
    """Return a docstring's blocks: paragraphs as text, what is laid out by hand (`Reads   audio/`) as listings."""
    for block in inspect.cleandoc(text).split("\n\n"):
        lines = block.replace("\b", "").strip("\n").split("\n")
        if any(re.match(r"\S+ {2,}\S|\s+\S|voicemill \S+ .*-|argo submit|python -m", line) for line in lines):
            yield "\n".join(["```text", *lines, "```"])
        elif block.strip():
            yield wrapped(prose(" ".join(line.strip() for line in lines)))


def wrapped(text: str) -> str:
    """Return a paragraph in lines of at most 118 characters."""
    return textwrap.fill(text, 118, break_long_words=False, break_on_hyphens=False)


def prose(text: str) -> str:
    """Return text for a page: nothing in it, outside of `code`, is markup."""
    parts = re.split(r"(`[^`]+`)", re.sub(r"\s+", " ", text).strip())
    plain = [part if index % 2 else re.sub(r"([*_<\[\]])", r"\\\1", part) for index, part in enumerate(parts)]
    return "".join(plain).replace("|", "\\|")


def first(text: str) -> str:
    """Return a docstring's first paragraph in one line."""
    return inspect.cleandoc(text).split("\n\n")[0].replace("\n", " ")
