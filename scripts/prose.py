"""Keep lines of prose in Markdown within 120 characters.

    python scripts/prose.py            wrap paragraphs and list items that have a longer line (a part of `make format`)
    python scripts/prose.py --check    end with 1 and the places where there are any (`make check`)

Tables, code, headings and HTML stay as they are; so does a line that is one long word, such as an address.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 120
WIDTH = 118
GENERATED = ("docs/reference/licences.md", "charts/voicemill/README.md")
"""Wrapped by what writes them, or not at all."""
_ITEM = re.compile(r"(?P<indent> *)(?P<mark>[-*+]|\d+\.)(?P<space> +)")
_KEPT = re.compile(r" *(#|\||<|!\[|\[[^\]]+\]:|> )")
_FENCE = re.compile(r" *(```+|~~~+)")


def wrapped(text: str) -> str:
    """A page whose long paragraphs and list items are wrapped; paragraphs without a long line stay as they are."""
    out: list[str] = []
    block: list[str] = []
    fence = ""
    depth = 0  # of the list item that a block may be a part of

    def close() -> None:
        if any(len(line) > LONGEST for line in block):
            out.extend(_filled(block))
        else:
            out.extend(block)
        block.clear()

    for line in text.split("\n"):
        opening = _FENCE.match(line)
        if fence:
            out.append(line)
            fence = "" if opening and line.strip() == fence else fence
            continue
        item, indent = _ITEM.match(line), len(line) - len(line.lstrip())
        if opening:
            close()
            fence = opening[1]
            out.append(line)
        elif item and (block or indent < depth + 4):
            close()
            depth = len(item[0])
            block.append(line)
        elif (
            not line.strip() or (not block and indent >= depth + 4) or re.match(r" *(#|\||<|!\[|\[[^\]]+\]:|> )", line)
        ):
            close()
            out.append(line)
        else:
            if not block and not indent:
                depth = 0
            block.append(line)
    close()
    return "\n".join(out)


def _filled(block: list[str]) -> list[str]:
    item = _ITEM.match(block[0])
    first = item[0] if item else block[0][: len(block[0]) - len(block[0].lstrip())]
    words = " ".join(line.strip() for line in [block[0][len(first) :], *block[1:]])
    # A space in code or in a link's text would be a place to break; both are kept whole.
    kept = re.sub(r"`[^`]+`", lambda code: code[0].replace(" ", "\0"), words)
    lines = textwrap.wrap(
        kept,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\0", " ") for line in lines]


def main(*arguments: str) -> int:
    """Wrap every page, or name what is to be wrapped."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    wrong = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if name in GENERATED or path.is_symlink() or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        better = wrapped(text)
        if better != text:
            wrong.append(name)
            if arguments != ("--check",):
                path.write_text(better, encoding="utf-8")
    if wrong and arguments == ("--check",):
        print(
            f"lines of prose over {LONGEST} characters, `make format` wraps them: {', '.join(wrong)}", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
