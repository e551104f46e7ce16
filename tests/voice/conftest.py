"""Files as GPT-SoVITS leaves them, made small, and the command line that meets them."""

from __future__ import annotations

import lzma
import sys
from pathlib import Path

import pytest
import soundfile
import torch

from tests.shared import SHARED
from tests.speech import speech
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.gpt.config import GptConfig
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.sovits.config import SovitsConfig, Version
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.models.toy.sovits import configuration

GOLDEN = Path(__file__).parents[1] / "parity" / "golden"
TEXT = "今天下午我们一起去喝茶。"


def write_pair(folder: Path, version: Version, seed: int = 0) -> tuple[Path, Path]:
    """A `.pth` and a `.ckpt` of a version, as the web UI exports them."""
    hps = configuration(version)
    config = SovitsConfig.read(hps["model"], version)
    sizes = GptConfig(embedding_dim=32, hidden_dim=32, head=2, n_layer=1)
    if version == "v1":
        sizes = GptConfig(phoneme_vocab_size=512, embedding_dim=32, hidden_dim=32, head=2, n_layer=1)
    torch.manual_seed(seed)
    weights, token = Generator(config).state_dict(), Gpt(sizes).state_dict()
    sovits, gpt = folder / "ada_e8_s64.pth", folder / "ada-e15.ckpt"
    checkpoints.export_sovits(sovits, checkpoints.SovitsCheckpoint(config, weights, "8epoch_64iteration", hps))
    checkpoints.export_gpt(gpt, checkpoints.GptCheckpoint(sizes.to_dict(), token, "GPT-e15"))
    return sovits, gpt


def reference(folder: Path) -> Path:
    """A recording that a voice can have as its reference: 3.6 s of speech."""
    path = folder / "ref.wav"
    soundfile.write(path, speech(3.6), 16_000)
    return path


def samples(folder: Path) -> list[Path]:
    """The reference's own files that the fixtures hold, unpacked."""
    packed = [GOLDEN / "C_ckpt" / "tiny_v2.pth.xz"]
    if SHARED:
        packed = sorted((SHARED / "parity" / "C_ckpt").glob("*.xz"))
    for path in packed:
        (folder / path.stem).write_bytes(lzma.decompress(path.read_bytes()))
    return [folder / path.stem for path in packed]


@pytest.fixture
def voicemill(monkeypatch: pytest.MonkeyPatch):
    """The command line: takes arguments, gives the exit code."""
    from voicemill.cli import main as cli

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["voicemill", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return run
