"""Find words that the project has given up, and name what to write instead: python scripts/check_words.py [FILE...]

The words are regular expressions in words.csv, with their replacements; docs/glossary.md has the terms. Without
arguments all tracked texts are checked. Exit code 1 if any is found.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORDS = Path(__file__).with_name("words.csv")
_SUFFIXES = {".css", ".html", ".js", ".md", ".py", ".sh", ".toml", ".tpl", ".yaml", ".yml"}
# History keeps its words, as do texts that were measured or recorded.
_LEFT_OUT = ("CHANGELOG.md", "docs/research/", "tests/parity/", "tests/scripts/test_check_words.py")


def words() -> list[tuple[re.Pattern[str], str]]:
    """Return the patterns that are not to be used and what to write instead."""
    with WORDS.open(encoding="utf-8", newline="") as file:
        return [(re.compile(row["pattern"]), row["instead"]) for row in csv.DictReader(file)]


def findings(text: str) -> Iterator[tuple[int, str, str]]:
    """Return the line number, the word and its replacement for each word that was given up."""
    table = words()
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, instead in table:
            for match in pattern.finditer(line):
                yield number, match[0], instead


def tracked() -> list[Path]:
    """Return the tracked files that hold prose or code."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = [name for name in listed.split("\0") if name and not name.startswith(_LEFT_OUT)]
    return [ROOT / name for name in names if Path(name).suffix in _SUFFIXES and (ROOT / name).is_file()]


def main(arguments: list[str]) -> int:
    """Print each finding as FILE:LINE: and return the exit code."""
    found = 0
    for path in map(Path, arguments) if arguments else tracked():
        for number, word, instead in findings(path.read_text(encoding="utf-8")):
            print(f"{path}:{number}: {word!r}: write {instead}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
