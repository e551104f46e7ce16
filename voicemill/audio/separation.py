"""Take one stem out of recordings with audio-separator: vocals, speech without echo, speech without noise.

The models work at 44.1 kHz in stereo; around them this module keeps what the library changes: the sampling rate, the
number of channels, the length to the sample, and the level.

Sources: BS-Roformer (Lu et al., "Music Source Separation with Band-Split RoPE Transformer", 2023); VR nets of Ultimate
Vocal Remover; both as audio-separator 0.47 runs them.
"""

import gc
import itertools
import math
import sys
import tempfile
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from voicemill.audio import background, quality
from voicemill.audio.audio_separator import RATE, is_out_of_memory, open_separator, reason, require_files
from voicemill.audio.quality import Gate
from voicemill.audio.reading import Audio, read, write_wav
from voicemill.audio.resampling import resample
from voicemill.core import untrusted
from voicemill.core.errors import InputError, MissingModelError, OutOfGpuMemory
from voicemill.core.hardware import use_gpu
from voicemill.core.logs import get_logger
from voicemill.core.parallel import ahead

if TYPE_CHECKING:
    from audio_separator.separator import Separator

    from voicemill.contract import Ledger

log = get_logger(__name__)

VOCALS_MODEL = "model_bs_roformer_ep_317_sdr_12.9755.ckpt"
DEREVERB_MODEL = "UVR-De-Echo-Normal.pth"
DENOISE_MODEL = "UVR-DeNoise.pth"
VOCALS, NO_ECHO, NO_NOISE = "Vocals", "No Echo", "No Noise"

# Below 10 s audio-separator gives up a Roformer's own chunk length for a shorter one; a little more than that is asked.
SHORTEST = int(10.1 * RATE)
SHORTEST_VR = RATE
# The VR path drops what does not fill a last STFT hop.
TAIL = 8_192
# Longer recordings go through in blocks, so that memory does not grow with length; the context on both sides is thrown
# away again and longer than a chunk of the models.
BLOCK, CONTEXT = 300 * RATE, 10 * RATE
VR_WINDOWS = (512, 256, 160)
VR_DEFAULTS = {
    "batch_size": 1,
    "window_size": VR_WINDOWS[0],
    "aggression": 5,
    "enable_tta": False,
    "enable_post_process": False,
    "post_process_threshold": 0.2,
    "high_end_process": False,
}


class StemSeparator:
    """A separation model, loaded once for any number of recordings.

    Attributes:
        stem: What is kept, by the model's own name for it ("Vocals", "No Echo", "No Noise").
        loads: How often weights were loaded: 1, and once more for each retreat from a full GPU.
    """

    def __init__(self, folder: Path, model: str, stem: str) -> None:
        """Load a model.

        Args:
            folder: audio-separator's model folder. Nothing is ever downloaded into it.
            model: File name of the model, as audio-separator lists it.
            stem: The stem to keep.

        Raises:
            MissingModelError: The model, its configuration or an index file is not in the folder.
            InputError: The model is unknown to audio-separator, or damaged.
            OutOfGpuMemory: It does not fit.
            BrokenGpu: A GPU was given and does not work.
        """
        self.folder, self.model, self.stem = folder, model, stem
        self.loads = 0
        self._retreats = 0
        self._temporary = tempfile.TemporaryDirectory(prefix="voicemill-separation-")
        self._separator = self._load()
        use_gpu(self.device != "cpu")

    def __enter__(self) -> "StemSeparator":
        return self

    def __exit__(self, *_: object) -> None:
        self._temporary.cleanup()

    @property
    def device(self) -> str:
        """Where the model runs: "cuda", "mps" or "cpu"."""
        return str(self._separator.torch_device)

    def separate(self, samples: np.ndarray, rate: int) -> np.ndarray:
        """Take the stem out of a recording.

        Args:
            samples: float32 `[channels, n]`, one or two channels, full scale at 1.0.
            rate: Sampling rate in Hz.

        Returns:
            float32 of the same shape, rate and level.

        Raises:
            InputError: More than two channels, or samples that the model cannot work on.
            OutOfGpuMemory: It does not fit even with the shortest chunks.
        """
        channels, length = samples.shape
        if channels > 2:
            raise InputError(f"{channels} channels; separation supports mono and stereo")
        mix = np.repeat(samples, 2, axis=0) if channels == 1 else samples
        mix = resample(np.ascontiguousarray(mix, dtype=np.float32), rate, RATE)
        total = mix.shape[1]
        edges = np.linspace(0, total, max(1, math.ceil(total / BLOCK)) + 1).astype(int)
        stem = np.empty_like(mix)
        for start, end in itertools.pairwise(edges):
            first, last = max(0, start - CONTEXT), min(total, end + CONTEXT)
            stem[:, start:end] = self._separate_block(mix[:, first:last])[:, start - first : end - first]
        if channels == 1:
            stem = stem.mean(axis=0, keepdims=True)
        return _exactly(resample(stem, RATE, rate), length)

    def _separate_block(self, mix: np.ndarray) -> np.ndarray:
        """float32 [2, n] at 44.1 kHz -> the same of the stem."""
        peak = float(np.abs(mix).max(initial=0.0))
        if peak == 0.0:
            return np.zeros_like(mix)
        # A power of two, exactly undone afterwards, brings the peak into [0.25, 0.5): nothing clips in the 32-bit
        # files that audio-separator works on, and its own normalisation (from 1.0 on) never acts. The models do not
        # care: both normalise their input by its own size.
        shift = -math.frexp(peak)[1] - 1
        padded = _exactly(np.ldexp(mix, shift), max(mix.shape[1] + TAIL, self._shortest))
        while True:
            try:
                return _exactly(np.ldexp(self._run(padded), -shift), mix.shape[1])
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            self._retreat()

    def _run(self, mix: np.ndarray) -> np.ndarray:
        """Return one call of audio-separator, by way of files under safe names."""
        from audio_separator.separator import InvalidAudioDataError

        folder = Path(self._temporary.name)
        source, target = folder / "mix.wav", folder / "stem.wav"
        target.unlink(missing_ok=True)
        write_wav(source, mix, RATE, "PCM_32")
        try:
            written = self._separator.separate(str(source), {self.stem: target.stem})
        except InvalidAudioDataError as error:
            raise InputError(f"{self.model} failed on it: {error}") from error
        if not target.is_file():
            stems = ", ".join(Path(name).stem for name in written) or "none of that name"
            raise InputError(f"{self.model} has no stem {self.stem!r} (available: {stems}); choose another model")
        return read(target).samples

    def _retreat(self) -> None:
        """Load again with shorter chunks after the GPU's memory ran out."""
        if self._retreats + 1 >= len(VR_WINDOWS):
            raise OutOfGpuMemory(f"{self.model} does not fit into the GPU's memory even with the shortest chunks")
        self._retreats += 1
        log.warning("out of GPU memory: retrying with shorter chunks", model=self.model, retreat=self._retreats)
        self._separator.model_instance = None
        self._separator = self._load()

    def _load(self) -> "Separator":
        from tqdm import tqdm

        segment = self._segment_frames() >> self._retreats
        _free_gpu_memory()
        separator = open_separator(
            self.folder,
            Path(self._temporary.name),
            self.stem,
            mdxc_params={
                "segment_size": segment,
                "override_model_segment_size": self._retreats > 0,
                "batch_size": None,
                "overlap": None,
                "pitch_shift": 0,
            },
            vr_params={**VR_DEFAULTS, "window_size": VR_WINDOWS[self._retreats]},
        )
        require_files(separator, self.model)
        self.loads += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                separator.load_model(self.model)
        except (Exception, SystemExit) as error:
            # audio-separator ends the whole process when weights do not fit their configuration.
            if isinstance(error, MissingModelError):
                raise
            if is_out_of_memory(error):
                raise OutOfGpuMemory(f"{self.model} does not fit into the GPU's memory") from error
            raise InputError(
                f"{self.folder / self.model} cannot be loaded ({reason(error)}); "
                "check it with `voicemill models verify`"
            ) from error
        # Its progress bars, several a file, would run across ours.
        architecture: Any = sys.modules[type(separator.model_instance).__module__]
        architecture.tqdm = partial(tqdm, disable=True)
        self._shortest = SHORTEST_VR if architecture.__name__.endswith(".vr_separator") else SHORTEST
        return separator

    def _segment_frames(self) -> int:
        """Return the model's own chunk length in STFT frames (Roformers state it in their YAML)."""
        configuration = self.folder / Path(self.model).with_suffix(".yaml").name
        if not configuration.is_file():
            return 256
        import yaml

        with configuration.open(encoding="utf-8") as stream:
            # Configurations have tuples, which FullLoader makes and SafeLoader refuses; it makes no other objects.
            content = yaml.load(stream, Loader=yaml.FullLoader)  # noqa: S506
            return int(content.get("inference", {}).get("dim_t", 256))


def separate_files(
    ledger: "Ledger",
    sources: dict[str, Path],
    target: Path,
    *,
    models: Path,
    model: str,
    stem: str,
    why: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> None:
    """Write the stem of each recording to `target/<recording>.wav` (float32) and enter each into the ledger.

    Args:
        ledger: Gets one entry a recording: kept with its seconds, or dropped with the reason.
        sources: Recording name -> file.
        target: Existing folder.
        models: audio-separator's model folder.
        model: File name of the model in it.
        stem: The stem to keep.
        why: Recording name -> what its entry says besides, such as why it is separated.

    Raises:
        MissingModelError, OutOfGpuMemory: As `StemSeparator`.
    """
    if not sources:
        return
    with StemSeparator(models, model, stem) as separator:
        log.info("separating %d recordings", len(sources), model=model, stem=stem, device=separator.device)
        for recording, path in ledger.each(sources.items(), total=len(sources), name=lambda item: item[0], label=stem):
            with ledger.item(recording):
                audio = read(path)
                kept = separator.separate(audio.samples, audio.rate)
                write_wav(target / f"{recording}.wav", kept, audio.rate)
                ledger.keep(
                    recording,
                    seconds=round(audio.seconds, 3),
                    level_change_db=_level_change(audio.samples, kept),
                    **why.get(recording, {}),
                )
        ledger.note(model=model, stem=stem, device=separator.device, model_loads=separator.loads)


def pass_by(
    ledger: "Ledger", sources: dict[str, Path], target: Path, when: Gate
) -> tuple[dict[str, Path], dict[str, dict[str, Any]]]:
    """Copy the recordings that need no separation to `target`, and enter each into the ledger with what was measured.

    What was measured of a copy is written beside it, so that assess-quality need not measure it again.

    Args:
        ledger: Gets an entry for each recording that is copied, or cannot be read.
        sources: Recording name -> file.
        target: Existing folder.
        when: `auto` separates what has music or noise behind the voice.

    Returns:
        Those that need it, name -> file; and why each needs it, name -> fields of its ledger entry.
    """
    if when == "always":
        return sources, {name: {"separated": True, "because": "when=always"} for name in sources}
    needing: dict[str, Path] = {}
    reasons: dict[str, dict[str, Any]] = {}
    measured: dict[str, quality.Quality] = {}

    def look(item: tuple[str, Path]) -> tuple[Audio, background.Background | None]:
        audio = read(item[1])
        return audio, background.measure(audio.samples, audio.rate) if when == "auto" else None

    working = ahead(look, sources.items(), size=lambda item: item[1].stat().st_size)
    for (recording, path), done in ledger.each(
        working, total=len(sources), name=lambda pair: pair[0][0], label="measuring"
    ):
        with ledger.item(recording):
            audio, found = done.result()
            if found and found.needs_separation:
                log.info("%s is separated: %s", recording, found.reason)
                needing[recording] = path
                reasons[recording] = {"separated": True, **_found(found)}
                continue
            write_wav(target / f"{recording}.wav", audio.samples, audio.rate)
            if found and found.quality:
                measured[recording] = found.quality
            why = _found(found) if found else {"because": "when=never"}
            ledger.keep(recording, seconds=round(audio.seconds, 3), separated=False, **why)
    quality.keep(measured, target)
    return needing, reasons


def _found(measured: background.Background) -> dict[str, Any]:
    return {"background_db": measured.level_db, "because": measured.reason}


def flagged(recordings: dict[str, Path], measures: Path, flag: str) -> dict[str, Path]:
    """Return those of the recordings that measures.json marks for a treatment.

    Args:
        recordings: Name -> file.
        measures: JSON, `{recording: {flag: bool, ...}}`.
        flag: "dereverb" or "denoise".

    Returns:
        Name -> file; a recording that assess-quality dropped is left out.

    Raises:
        InputError: The measures are of other recordings.
    """
    content = untrusted.read_json(measures, dict, hint="run assess-quality again", nan=True)
    measured = untrusted.shaped(dict[str, dict[str, Any]], content, measures, hint="run assess-quality again")
    if recordings and not recordings.keys() & measured.keys():
        raise InputError(
            f"{measures.name} says nothing of these recordings: run assess-quality on the same folder first"
        )
    return {name: path for name, path in recordings.items() if measured.get(name, {}).get(flag)}


def _exactly(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut or pad with silence to a length in samples."""
    missing = length - samples.shape[1]
    return np.pad(samples, ((0, 0), (0, missing))) if missing > 0 else samples[:, :length]


def _level_change(before: np.ndarray, after: np.ndarray) -> float | None:
    """Power after against before in dB; None where one of them is silent."""
    powers = [float(np.mean(np.square(samples, dtype=np.float64))) for samples in (before, after)]
    return round(10 * math.log10(powers[1] / powers[0]), 2) if all(powers) else None


def _free_gpu_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
