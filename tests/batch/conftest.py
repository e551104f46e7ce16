"""Speakers whose recordings are texts, and the command line that makes voices of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.voice.conftest import voicemill

__all__ = ["voicemill"]

WORKFLOW = Path(__file__).with_name("voice.yaml")


@pytest.fixture
def speakers(tmp_path: Path) -> Callable[..., Path]:
    """Writes a manifest of speakers with a recording each; gives its path."""

    def write(**texts: str) -> Path:
        rows = ["speaker,source"]
        for name, text in texts.items():
            folder = tmp_path / "recordings" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "speech.txt").write_text(text)
            rows.append(f"{name},recordings/{name}")
        manifest = tmp_path / "speakers.csv"
        manifest.write_text("\n".join(rows) + "\n")
        return manifest

    return write


@pytest.fixture
def batch(voicemill: Callable[..., int], tmp_path: Path) -> Callable[..., int]:
    """`voicemill batch` with the small workflow, into `out`."""
    return lambda manifest, *words: voicemill(
        "batch", manifest, "--workflow", WORKFLOW, "--out", tmp_path / "out", "--cpus", 4, *words
    )
