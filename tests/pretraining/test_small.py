"""The small base of the repository: what is in it, and that it says what it hears in the voice that it hears."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from voicemill.asr.pocketsphinx import PocketsphinxRecognizer
from voicemill.asr.transcript import RATE as ASR_RATE
from voicemill.audio.reading import read_mono
from voicemill.audio.resampling import resample
from voicemill.evaluation.speaker_similarity import embed
from voicemill.gpt_sovits.dataset import RATE, level
from voicemill.gpt_sovits.features import hubert
from voicemill.gpt_sovits.features.spectrogram import linear_spectrogram, mel_spectrogram
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.sovits.fine_tuning import start_models
from voicemill.models import locate, packed
from voicemill.text import phonemize, symbols
from voicemill.text.scoring import difference, phones

EXAMPLES = Path(__file__).parents[2] / "examples"
RECORDING = EXAMPLES / "demo_speaker" / "01_river_walk.ogg"
SECONDS = 4
MOST_BYTES = 25_000_000


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    packed.unpack(packed.SMALL, str(folder))
    return folder


@pytest.fixture(scope="module")
def recorded_1L() -> Tensor:
    """The first words of the demo speaker, as a dataset would have them."""
    pcm, _ = level(read_mono(RECORDING, RATE)[: SECONDS * RATE])
    return torch.from_numpy(pcm.astype(np.float32) / 32768).unsqueeze(0)


@pytest.fixture(scope="module")
def copies(models: Path, recorded_1L: Tensor) -> dict[str, Tensor]:
    """Those words again, from their own tokens, and from the same tokens in another order."""
    text = next(line for line in (EXAMPLES / "sentences.txt").read_text().splitlines() if line and line[0] != "#")
    phones_1P = torch.tensor([symbols.ids(phonemize(text, "en", "v2").phones, "v2")])
    generator = checkpoints.build_generator(checkpoints.load_sovits(locate(models, "sovits-g")))
    heard = resample(recorded_1L[0].numpy(), RATE, hubert.RATE)
    codes_11T = generator.extract_codes(hubert.features(hubert.load(locate(models, "hubert")), heard))
    mixed = torch.randperm(codes_11T.shape[-1], generator=torch.Generator().manual_seed(0))
    spec_1FT = linear_spectrogram(recorded_1L)
    return {
        name: generator.decode(codes, phones_1P, [spec_1FT], noise_scale=0.0)[0]
        for name, codes in {"same": codes_11T, "mixed": codes_11T[..., mixed]}.items()
    }


def test_it_is_small_and_has_a_card() -> None:
    files = list(packed.SMALL.iterdir())
    assert {path.name for path in files} == {
        "README.md",
        "defaults.yaml",
        *(f"{name}.safetensors" for name in packed.NAMES),
    }
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


def test_training_can_start_from_it(models: Path) -> None:
    discriminator = checkpoints.load_discriminator(locate(models, "sovits-d"))
    start_models(checkpoints.load_sovits(locate(models, "sovits-g")), discriminator)
    gpt = checkpoints.load_gpt(locate(models, "gpt"))
    Gpt.from_checkpoint(gpt.config, gpt.weights)


def test_tokens_carry_what_is_said(copies: dict[str, Tensor], recorded_1L: Tensor) -> None:
    true = mel_spectrogram(recorded_1L)

    def distance(wav_1L: Tensor) -> float:
        made = mel_spectrogram(wav_1L)
        frames = min(true.shape[-1], made.shape[-1])
        return float((true[..., :frames] - made[..., :frames]).abs().mean())

    assert distance(copies["same"]) < 0.8 * distance(copies["mixed"])


def test_a_recogniser_hears_what_was_said(copies: dict[str, Tensor]) -> None:
    said, recogniser = (
        phones("The morning train was late again, so we walked along the", "en"),
        PocketsphinxRecognizer(),
    )

    def error_rate(wav_1L: Tensor) -> float:
        heard = recogniser.transcribe(resample(wav_1L[0].numpy(), RATE, ASR_RATE)).text
        return difference(said, phones(heard, "en")).rate

    assert error_rate(copies["same"]) < 0.35 < error_rate(copies["mixed"])


def test_a_copy_sounds_like_its_speaker(copies: dict[str, Tensor]) -> None:
    said = embed(copies["same"][0].numpy(), RATE)
    # Elsewhere in the recording, and what that would be from a shorter throat.
    own = read_mono(RECORDING, RATE)[SECONDS * RATE : 4 * SECONDS * RATE]
    other = resample(own, RATE * 5 // 4, RATE)
    likeness = [float(np.dot(said, embed(wav, RATE))) for wav in (own, other)]
    assert likeness[0] > 0.8 and likeness[0] > likeness[1] + 0.1
