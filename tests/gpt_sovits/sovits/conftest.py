"""A small dataset folder and toy base models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from voicemill.models.toy.sovits import make_sovits
from voicemill.models.toy.transformers_models import make_hubert

RATE = 32000
PHONES = "HH AH0 L OW1 W ER1 L D ."


def buzz(seconds: float, pitch: float) -> np.ndarray:
    """A voice-like sound: a gliding pulse train through two formants, louder and softer."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.1 * np.sin(2 * np.pi * 3 * t))) / RATE
    tones = [np.cos(k * phase) * np.exp(-(((k * pitch - f) / 300) ** 2)) for k in range(1, 25) for f in (600, 1500)]
    return (0.05 * sum(tones) * (1 + np.sin(2 * np.pi * 2 * t))).astype(np.float32)


def write_dataset(folder: Path, clips: int = 4, speaker_vectors: bool = False, short: int = 0) -> Path:
    """A dataset as format writes it, of clips between 0.7 and 1.3 s.

    Args:
        short: How many clips of 0.1 s there are besides; with a hundred of them the few usable ones are not repeated.
    """
    rng = np.random.default_rng(5)
    for name in ("4-cnhubert", "5-wav32k", *(["7-sv_cn"] if speaker_vectors else [])):
        (folder / name).mkdir(parents=True)
    rows = []
    for i in range(clips + short):
        name = f"clip{i}.wav" if i < clips else f"short{i - clips}.wav"
        wav = buzz(0.7 + 0.2 * i % 0.6, 110 + 20 * i) if i < clips else np.zeros(3200, np.float32)
        soundfile.write(folder / "5-wav32k" / name, wav, RATE, subtype="PCM_16")
        features = torch.from_numpy(rng.standard_normal((1, 768, max(1, len(wav) // 640 - 1)), dtype=np.float32))
        torch.save(features, folder / "4-cnhubert" / f"{name}.pt")
        if speaker_vectors:
            torch.save(
                torch.from_numpy(rng.standard_normal((1, 20480), dtype=np.float32)), folder / f"7-sv_cn/{name}.pt"
            )
        rows.append(f"{name}\t{PHONES}\tNone\thello world.\n")
    (folder / "2-name2text.txt").write_text("".join(rows), encoding="utf-8")
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "dataset")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with the toy bases of v2 and v2ProPlus, and a toy content encoder."""
    folder = tmp_path_factory.mktemp("models")
    make_hubert(folder)
    make_sovits(folder, seed=1)
    make_sovits(folder, seed=1, version="v2ProPlus")
    return folder
