"""Separation through audio-separator with the toy models, on real speech."""

import json
import shutil
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from images.layer import canonical, requirements
from tests.shared import SHARED
from voicemill.audio import separation
from voicemill.audio.audio_separator import INDEX_FILES, INSTALL
from voicemill.audio.reading import read, read_mono, write_wav
from voicemill.audio.resampling import resample
from voicemill.audio.separation import StemSeparator
from voicemill.core.errors import InputError, MissingModelError, OutOfGpuMemory, UsageError
from voicemill.models.toy.separators import make_separators
from voicemill.stages.denoise import denoise
from voicemill.stages.dereverb import dereverb
from voicemill.stages.separate import separate

EXAMPLES = Path(__file__).parents[2] / "examples"
AWKWARD = "日本 'quote' (Vocals) 100%; $HOME & co"


LEFT_OUT = {"diffq", "julius", "onnx-weekly", "onnx2torch-py313", "resampy", "samplerate"}
"""What audio-separator asks for and the extra `separation` leaves out."""


@pytest.fixture(scope="module", autouse=True)
def without_what_is_left_out() -> Iterator[None]:
    """Nothing in this file may import what a user has not: an import of it fails here wherever it is installed."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("diffq", "julius", "onnx", "onnx2torch", "resampy", "samplerate"):
            patch.setitem(sys.modules, name, None)
        yield


def test_the_extra_asks_for_all_that_audio_separator_needs_but_what_is_left_out() -> None:
    root = Path(__file__).parents[2]
    pyproject = tomllib.loads((root / "pyproject.toml").read_text())
    asked = {canonical(Requirement(line).name) for line in requirements(pyproject["project"], "separation")}
    asked |= {canonical(Requirement(line).name) for line in requirements(pyproject["project"], "base")}
    needs = [Requirement(line) for line in metadata.requires("audio-separator") or []]
    needed = {canonical(each.name) for each in needs if each.marker is None or each.marker.evaluate({"extra": ""})}
    assert needed - asked == LEFT_OUT
    (itself,) = pyproject["tool"]["voicemill"]["no-dependencies"]["separation"]
    assert f"--no-deps '{itself}'" in INSTALL


def test_without_audio_separator_it_is_said_how_to_install_it(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("audio_separator")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "audio_separator", None)
    with pytest.raises(UsageError, match="pip install --no-deps 'audio-separator"):
        StemSeparator(models / "separation", separation.VOCALS_MODEL, separation.VOCALS)
    with pytest.raises(UsageError, match="pip install --no-deps 'audio-separator"):
        make_separators(tmp_path)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_separators(folder / "separation")
    return folder


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """Two seconds of a voice, [n] at 22.05 kHz."""
    recordings = sorted((SHARED or EXAMPLES).glob("data/en_lj/*.flac")) or sorted(EXAMPLES.rglob("*.ogg"))
    return read_mono(recordings[0], 22_050)[22_050 : 3 * 22_050]


@pytest.fixture(scope="session")
def vocals(models: Path) -> StemSeparator:
    return StemSeparator(models / "separation", separation.VOCALS_MODEL, separation.VOCALS)


def si_sdr(target: np.ndarray, estimate: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019)."""
    target, estimate = (x.astype(np.float64).ravel() - x.mean() for x in (target, estimate))
    scaled = (estimate @ target) / (target @ target) * target
    return float(10 * np.log10((scaled @ scaled) / ((estimate - scaled) @ (estimate - scaled))))


def decibels(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64))))


@pytest.mark.parametrize(
    ("model", "stem"),
    [
        (separation.VOCALS_MODEL, separation.VOCALS),
        (separation.DEREVERB_MODEL, separation.NO_ECHO),
        (separation.DENOISE_MODEL, separation.NO_NOISE),
    ],
)
def test_speech_survives_each_toy_model(models: Path, speech: np.ndarray, model: str, stem: str) -> None:
    with StemSeparator(models / "separation", model, stem) as separator:
        kept = separator.separate(speech[None], 22_050)[0]
    assert si_sdr(speech, kept) > 30
    assert abs(decibels(kept) - decibels(speech)) < 0.1


@pytest.mark.parametrize(("rate", "channels", "length"), [(8_000, 1, 2_401), (48_000, 2, 61_234), (44_100, 2, 3)])
def test_rate_channels_and_length_are_kept(
    vocals: StemSeparator, speech: np.ndarray, rate: int, channels: int, length: int
) -> None:
    samples = np.tile(resample(speech, 22_050, rate)[-length:], (channels, 1))
    kept = vocals.separate(samples, rate)
    assert kept.shape == samples.shape and kept.dtype == np.float32
    assert length < 100 or si_sdr(samples, kept) > 20


@pytest.mark.parametrize("gain", [8.0, 1e-5])
def test_level_is_kept_beyond_full_scale_and_near_silence(
    vocals: StemSeparator, speech: np.ndarray, gain: float
) -> None:
    loud = (gain * speech)[None]
    kept = vocals.separate(loud, 22_050)
    assert abs(decibels(kept) - decibels(loud)) < 0.1
    assert si_sdr(loud, kept) > 30


def test_silence_stays_silence(vocals: StemSeparator) -> None:
    assert not vocals.separate(np.zeros((2, 30_000), np.float32), 44_100).any()


def test_long_recordings_go_through_in_blocks_without_seams(
    vocals: StemSeparator, speech: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = np.tile(speech, 3)[None]
    whole = vocals.separate(samples, 22_050)
    monkeypatch.setattr(separation, "BLOCK", 2 * separation.RATE)
    monkeypatch.setattr(separation, "CONTEXT", separation.RATE)
    blocks = vocals.separate(samples, 22_050)
    assert si_sdr(whole, blocks) > 40
    seam = len(speech)
    assert np.abs(whole - blocks)[:, seam - 100 : seam + 100].max() < 0.01 * np.abs(whole).max()


def test_more_than_two_channels_are_refused(vocals: StemSeparator) -> None:
    with pytest.raises(InputError, match="6 channels"):
        vocals.separate(np.ones((6, 1000), np.float32), 44_100)


def test_stage_keeps_names_drops_what_is_broken_and_loads_the_model_once(
    models: Path, speech: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audio_separator.separator.roformer.roformer_loader import RoformerLoader

    loads: list[str] = []
    load = RoformerLoader.load_model

    def counted(self: RoformerLoader, model_path: str, config: dict, device: str = "cpu"):
        loads.append(model_path)
        return load(self, model_path, config, device)

    monkeypatch.setattr(RoformerLoader, "load_model", counted)
    audio = tmp_path / "audio"
    audio.mkdir()
    for name in ("plain", AWKWARD):
        write_wav(audio / f"{name}.wav", speech, 22_050)
    (audio / "broken.wav").write_bytes(b"RIFF\x00\x00\x00\x00WAVEfmt ")
    ledger = separate(audio, tmp_path / "vocals", models=str(models), when="always")
    assert len(loads) == 1
    assert {path.name for path in (tmp_path / "vocals").iterdir()} == {"plain.wav", f"{AWKWARD}.wav"}
    assert [entry["item"] for entry in ledger.entries if entry["outcome"] == "dropped"] == ["broken"]
    assert si_sdr(speech, read(tmp_path / "vocals" / f"{AWKWARD}.wav").samples) > 30


def test_stage_fails_when_nothing_is_left(models: Path, tmp_path: Path) -> None:
    audio = tmp_path / "audio"
    audio.mkdir()
    (audio / "broken.wav").write_bytes(b"RIFF\x00\x00\x00\x00WAVEfmt ")
    with pytest.raises(InputError, match="broken"):
        separate(audio, tmp_path / "vocals", models=str(models))
    assert not (tmp_path / "vocals").exists()


def test_only_flagged_recordings_are_cleaned_and_denoise_goes_on_from_dereverb(
    models: Path, speech: np.ndarray, tmp_path: Path
) -> None:
    audio = tmp_path / "vocals"
    audio.mkdir()
    for name in ("both", "noisy", "clean"):
        write_wav(audio / f"{name}.wav", speech, 22_050)
    measures = tmp_path / "measures.json"
    flags = {"both": (True, True), "noisy": (False, True), "clean": (False, False)}
    measures.write_text(json.dumps({name: {"dereverb": d, "denoise": n} for name, (d, n) in flags.items()}))
    assert dereverb(audio, measures, tmp_path / "dereverbed", models=str(models)).kept == 1
    # Half as loud: so it shows in the output which of the two was taken.
    quieter = 0.5 * read(tmp_path / "dereverbed" / "both.wav").samples
    write_wav(tmp_path / "dereverbed" / "both.wav", quieter, 22_050)
    ledger = denoise(audio, measures, tmp_path / "denoised", tmp_path / "dereverbed", models=str(models))
    assert ledger.kept == 2
    levels = {path.stem: decibels(read(path).samples) for path in (tmp_path / "denoised").iterdir()}
    assert levels.keys() == {"both", "noisy"}
    assert levels["noisy"] - levels["both"] == pytest.approx(6.02, abs=0.1)


def test_recordings_that_measure_dropped_pass_by_but_measures_of_others_are_refused(tmp_path: Path) -> None:
    recordings = {name: tmp_path / f"{name}.wav" for name in ("good", "dropped")}
    measures = tmp_path / "measures.json"
    measures.write_text('{"good": {"denoise": true}}')
    assert list(separation.flagged(recordings, measures, "denoise")) == ["good"]
    measures.write_text('{"of another speaker": {"denoise": true}}')
    with pytest.raises(InputError, match="run assess-quality on the same folder"):
        separation.flagged(recordings, measures, "denoise")


def test_nothing_to_clean_gives_an_empty_folder(models: Path, speech: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "vocals").mkdir()
    write_wav(tmp_path / "vocals" / "clean.wav", speech, 22_050)
    (tmp_path / "measures.json").write_text('{"clean": {"dereverb": false, "denoise": false}}')
    ledger = denoise(tmp_path / "vocals", tmp_path / "measures.json", tmp_path / "denoised", models=str(models))
    assert ledger.kept == 0 and not list((tmp_path / "denoised").iterdir())


@pytest.mark.parametrize("missing", [separation.DENOISE_MODEL, *INDEX_FILES])
def test_missing_file_is_named_and_never_downloaded(
    models: Path, tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("went to the network")

    monkeypatch.setattr("requests.get", refuse)
    folder = Path(shutil.copytree(models / "separation", tmp_path / "separation"))
    (folder / missing).unlink()
    with pytest.raises(MissingModelError, match=f"{missing}.*voicemill models pull"):
        StemSeparator(folder, separation.DENOISE_MODEL, separation.NO_NOISE)


def test_unknown_model_is_answered_with_those_that_are_there(models: Path) -> None:
    with pytest.raises(InputError, match="does not know the model 'nonsense.ckpt'.*UVR-DeNoise.pth"):
        StemSeparator(models / "separation", "nonsense.ckpt", separation.VOCALS)


def test_stem_that_a_model_does_not_have_is_refused(models: Path, speech: np.ndarray) -> None:
    with (
        StemSeparator(models / "separation", separation.DENOISE_MODEL, separation.NO_ECHO) as separator,
        pytest.raises(InputError, match="has no stem 'No Echo'"),
    ):
        separator.separate(speech[None], 22_050)


@pytest.mark.parametrize("model", [separation.VOCALS_MODEL, separation.DENOISE_MODEL])
def test_damaged_weights_are_an_input_error(models: Path, tmp_path: Path, model: str) -> None:
    folder = Path(shutil.copytree(models / "separation", tmp_path / "separation"))
    weights = (folder / model).read_bytes()
    (folder / model).write_bytes(weights[: len(weights) // 2])
    with pytest.raises(InputError, match="voicemill models verify"):
        StemSeparator(folder, model, separation.VOCALS)


@pytest.mark.parametrize(
    "model", [(separation.VOCALS_MODEL, separation.VOCALS), (separation.DENOISE_MODEL, "No Noise")]
)
def test_full_gpu_is_answered_with_shorter_chunks_and_then_given_up(
    models: Path, speech: np.ndarray, model: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from audio_separator.separator import Separator

    failures = iter([True, True, False])
    run = Separator.separate

    def full(self: Separator, *arguments: object) -> list[str]:
        if next(failures, True):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return run(self, *arguments)

    monkeypatch.setattr(Separator, "separate", full)
    with StemSeparator(models / "separation", *model) as separator:
        assert si_sdr(speech, separator.separate(speech[None], 22_050)) > 30
        assert separator.loads == 3
        with pytest.raises(OutOfGpuMemory):
            separator.separate(speech[None], 22_050)


def test_toy_separators_are_the_same_for_a_seed(models: Path, tmp_path: Path) -> None:
    for path in make_separators(tmp_path / "again"):
        assert path.read_bytes() == (models / "separation" / path.name).read_bytes()
    other = make_separators(tmp_path / "other", seed=1)
    weights = [path for path in other if path.suffix in (".ckpt", ".pth")]
    assert len(weights) == 3
    for path in weights:
        assert path.read_bytes() != (models / "separation" / path.name).read_bytes()
