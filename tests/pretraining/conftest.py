"""A corpus in the making: a few short clips of gliding buzz, and phones that it is said to be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.gpt_sovits.sovits.conftest import buzz
from voicemill.audio.reading import write_wav
from voicemill.dataset import labels

PHONES = [["pau", 0.2], ["hh", 0.3], ["ax", 0.5], ["l", 0.7], ["ow", 0.9], ["pau", 1.2]]
NAMES = [f"{speaker}_{number:05}.wav" for number in range(4) for speaker in ("low", "high")]


def write_corpus(folder: Path) -> Path:
    """`clips/` and `transcripts/` as make-corpus writes them."""
    (folder / "clips").mkdir(parents=True)
    (folder / "transcripts").mkdir()
    for i, name in enumerate(NAMES):
        wav = buzz(1.2, 110 + 25 * i)
        write_wav(folder / "clips" / name, (wav / np.abs(wav).max() * 20000).astype(np.int16), 32_000, "PCM_16")
    segments = json.dumps(dict.fromkeys(NAMES, PHONES))
    (folder / "transcripts" / "segments.json").write_text(segments)
    rows = [labels.Label(name, name.partition("_")[0], "en", "Hello, hello.") for name in NAMES]
    labels.write(folder / "transcripts" / "transcripts.list", rows)
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))
