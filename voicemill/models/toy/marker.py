"""The mark on a toy model's folder, by which others know that its output means nothing."""

from pathlib import Path

MARKER = "TOY.txt"
_WORDS = "Made by `voicemill models toy`: the real form with meaningless weights. Put the real model in this place.\n"


def mark(folder: Path) -> None:
    """Mark a model's folder as a toy."""
    (folder / MARKER).write_text(_WORDS, encoding="utf-8")


def is_toy(folder: Path) -> bool:
    """Whether a model's folder is marked as a toy."""
    return (folder / MARKER).is_file()
