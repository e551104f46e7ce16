"""Read any audio file into float32 samples, and write WAV files whole or not at all.

libsndfile (soundfile) reads WAV files of plain samples; PyAV, which brings its own ffmpeg libraries, decodes everything
else to its end, and libsndfile what ffmpeg does not know. The content of a file decides, never its extension.
"""

import errno
import os
import shutil
from dataclasses import dataclass, field, replace
from io import BufferedReader, FileIO
from pathlib import Path

import numpy as np

from voicemill.audio import blocks, chained, decoding, probing, speech
from voicemill.audio.resampling import resample
from voicemill.core.errors import InputError
from voicemill.core.files import replacing
from voicemill.core.unreadable import as_input_error

MIN_RATE, MAX_RATE = 8_000, 192_000
# Unrelated signals in stereo lose 3 dB in the mean; a silent or phase-inverted channel costs 6 or more.
LOST_IN_MEAN = 0.3
MAX_UNREADABLE_SAMPLES = 0.1
# Full scale is 1; float files that hold 16-bit or 24-bit numbers as they are do occur, larger ones are damage.
LARGEST = 1e9
# Samples copied at a time, so that an hour of sound is in memory once and not twice.
BLOCK = 1 << 20
# What may be free on a disk on which something did not fit.
_FULL_BYTES = 1 << 20
_SYSTEM_ERROR = 2  # libsndfile's SF_ERR_SYSTEM
_SET_ADD_PEAK_CHUNK = 0x1050  # libsndfile's SFC_SET_ADD_PEAK_CHUNK, which soundfile does not name
# What libsndfile calls WAV files of plain samples.
_WAV = ("WAV", "WAVEX")
_PLAIN = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")


@dataclass(frozen=True)
class Audio:
    """A decoded recording.

    Attributes:
        samples: float32 `[channels, n]`, finite; may exceed 1.0 where a float file does.
        rate: Sampling rate in Hz.
        notes: What was odd about the file and how it was fixed, one short sentence each.
    """

    samples: np.ndarray
    rate: int
    notes: tuple[str, ...] = field(default=())

    @property
    def channels(self) -> int:
        return self.samples.shape[0]

    @property
    def seconds(self) -> float:
        return self.samples.shape[1] / self.rate


def read(path: str | os.PathLike[str], track: int = 0) -> Audio:
    """Decode a whole file at its own rate, with all its channels.

    Args:
        path: Any file that libsndfile or ffmpeg can decode, under any name.
        track: Which of its audio tracks, from 1; 0 takes the one with speech, of several the one that the file marks
            as default, else the first.

    Returns:
        The samples, repaired where that is safe (see `Audio.notes`).

    Raises:
        InputError: Anything is wrong with the file: it is empty, not audio, cannot be read, has a broken header or
            fewer tracks, decodes to more than `blocks.limit_bytes`, or holds nothing that can be used.
    """
    path = Path(path)
    with as_input_error(path.name):
        notes = list(probing.examine(path))
        samples, rate, decoding_notes = _decode(path, track)
    notes += decoding_notes
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(f"{path.name}: sampling rate {rate} Hz; supported are {MIN_RATE} to {MAX_RATE} Hz")
    if not samples.size:
        raise InputError(f"{path.name} is empty: a header without samples")
    samples, repairs = _finite(samples, path.name)
    return Audio(samples, rate, (*notes, *repairs))


def read_mono(path: str | os.PathLike[str], rate: int | None = None) -> np.ndarray:
    """Decode a file to one channel.

    Args:
        path: Any audio file.
        rate: Rate wanted in Hz; None keeps the file's.

    Returns:
        float32 `[n]`: the mean of the channels (or the loudest one, see `to_mono`), resampled by soxr HQ. This is what
        `librosa.load(path, sr=rate)` gives for ordinary files.

    Raises:
        InputError: As `read`.
    """
    audio = read(path)
    mono, _ = to_mono(audio.samples)
    return mono if rate is None else resample(mono, audio.rate, rate)


def to_mono(samples: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Mix channels down without losing the speech.

    The mean, unless it holds less than 30 % of the power of the loudest channel (opposite phases, silent channels,
    speech in one of six): then that channel alone.

    Args:
        samples: float32 `[channels, n]`.

    Returns:
        float32 `[n]`, and a note where a single channel was taken.
    """
    if samples.shape[0] == 1:
        return samples[0], None
    mean = samples.mean(axis=0)
    energies = [float(np.dot(channel, channel)) for channel in samples]
    loudest = int(np.argmax(energies))
    if float(np.dot(mean, mean)) >= LOST_IN_MEAN * energies[loudest]:
        return mean, None
    return samples[
        loudest
    ].copy(), f"the channels cancel out or are silent when mixed: only channel {loudest + 1} was used"


def write_wav(
    path: str | os.PathLike[str], samples: np.ndarray, rate: int, subtype: str = "FLOAT", comment: str | None = None
) -> None:
    """Write a WAV file beside its place and rename it when whole. The same samples give the same bytes at any time.

    Args:
        path: Where to write.
        samples: float32 or int16, `[n]` or `[channels, n]`.
        rate: Sampling rate in Hz.
        subtype: libsndfile's name of the sample format: FLOAT, PCM_16, PCM_24.
        comment: Text for the file's comment tag.

    Raises:
        OSError: ENOSPC where the disk is full; libsndfile itself only says "System error."
    """
    import soundfile

    path = Path(path)
    channels = 1 if samples.ndim == 1 else samples.shape[0]
    try:
        with (
            replacing(path, durable=False) as partial,
            soundfile.SoundFile(partial, "w", rate, channels, subtype, format="WAV") as sink,
        ):
            # The PEAK chunk of float files holds the time of writing: equal sound would be different bytes.
            soundfile._snd.sf_command(sink._file, _SET_ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)
            if comment:
                sink.comment = comment
            for first in range(0, samples.shape[-1], BLOCK):
                sink.write(samples[..., first : first + BLOCK].T)
    except soundfile.LibsndfileError as error:
        if error.code == _SYSTEM_ERROR and shutil.disk_usage(path.parent).free < _FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


def _decode(path: Path, track: int) -> tuple[np.ndarray, int, list[str]]:
    """Return samples `[channels, n]`, rate and notes; `track` from 1, or 0 to choose."""
    if (plain := _read_pcm_wav(path)) is not None:
        _require_track(path, track, 1)
        return *plain, []
    try:
        found = _choose_track(path, track)
    except InputError:
        # A few formats are known to libsndfile alone.
        if (other := _read_libsndfile(path)) is None:
            raise
        _require_track(path, track, 1)
        return *other, []
    return found.samples, found.rate, list(found.notes)


def _choose_track(path: Path, track: int) -> decoding.Decoded:
    """Decode the audio track that was asked for, or the first with speech, those marked as default before others."""
    tracks = decoding.tracks(path)
    _require_track(path, track, len(tracks))
    if track or len(tracks) == 1:
        found = decoding.decode(path, track or 1)
        return _noted(found, f"track {track} of {len(tracks)} was used, as requested") if len(tracks) > 1 else found
    silent: decoding.Decoded | None = None
    failed: InputError | None = None
    for candidate in sorted(tracks, key=lambda one: not one.is_default):
        try:
            found = decoding.decode(path, candidate.number)
        except InputError as error:
            failed = failed or error
            continue
        if speech.has_speech(to_mono(found.samples)[0], found.rate):
            return _noted(found, f"track {candidate.number} of {len(tracks)} was used")
        silent = silent or found
    if silent is None:
        assert failed is not None
        raise failed
    return _noted(silent, f"no speech was found in any of its {len(tracks)} tracks")


def _noted(found: decoding.Decoded, note: str) -> decoding.Decoded:
    return replace(found, notes=(note, *found.notes))


def _require_track(path: Path, track: int, there: int) -> None:
    if track > there:
        tracks = "1 audio track" if there == 1 else f"{there} audio tracks"
        raise InputError(f"{path.name} has {tracks}, but --track {track} was requested")


class _Stream(BufferedReader):
    """A file in which a damaged header seeks to impossible places: it stays where it is, which libsndfile notices."""

    def seek(self, target: int, whence: int = 0, /) -> int:
        try:
            return super().seek(target, whence)
        except (OSError, ValueError, OverflowError):
            return self.tell()


def _read_pcm_wav(path: Path) -> tuple[np.ndarray, int] | None:
    """Read a WAV of plain samples, for which libsndfile is exact and fastest; None for any other file."""
    import soundfile

    try:
        # Opened by us: without a name libsndfile goes by the content alone.
        with _Stream(FileIO(path)) as stream, soundfile.SoundFile(stream) as source:
            if source.format not in _WAV or source.subtype not in _PLAIN:
                return None
            if len(chained.links(path)) > 1:
                return None
            # For these libsndfile bounds the count by the size of the file.
            blocks.require_fits(path.name, 4 * source.channels * source.frames, blocks.MAX_BYTES)
            samples = np.empty((source.channels, source.frames), np.float32)
            filled = 0
            for block in source.blocks(BLOCK, dtype="float32", always_2d=True):
                samples[:, filled : filled + len(block)] = block.T
                filled += len(block)
            # No samples in a file of some size: a header that was never completed (streamed WAV).
            if filled < source.frames or (not filled and path.stat().st_size > probing.SNIFFED):
                return None
            return samples, source.samplerate
    except soundfile.LibsndfileError:
        return None


def _read_libsndfile(path: Path) -> tuple[np.ndarray, int] | None:
    """Read what libsndfile knows, as far as it can be decoded; None if there is nothing of that kind."""
    import soundfile

    try:
        with _Stream(FileIO(path)) as stream, soundfile.SoundFile(stream) as source:
            collected = blocks.Blocks(path.name, source.channels, blocks.limit_bytes(path.stat().st_size))
            while len(block := source.read(BLOCK, dtype="float32", always_2d=True)):
                collected.add(block.T)
            return (collected.join(), source.samplerate) if collected.length else None
    except soundfile.LibsndfileError:
        return None


def _finite(samples: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    # NaN stays NaN in both and compares as false. No copy is made of what is whole.
    if not samples.size or max(float(samples.max()), -float(samples.min())) < LARGEST:
        return samples, []
    good = (samples > -LARGEST) & (samples < LARGEST)
    bad = int(samples.size - np.count_nonzero(good))
    if bad > MAX_UNREADABLE_SAMPLES * samples.size:
        share = f"{bad / samples.size:.0%}"
        raise InputError(f"{name}: {share} of the samples are invalid (NaN, infinite or beyond {LARGEST:g})")
    samples[~good] = 0
    return samples, [f"{bad} samples were NaN, infinite or beyond {LARGEST:g} and were set to 0"]
