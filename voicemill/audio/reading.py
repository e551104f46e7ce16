"""Read any audio file into float32 samples, and write WAV files whole or not at all.

libsndfile (soundfile) reads what it can; PyAV, which brings its own ffmpeg libraries, reads the rest (m4a, webm, video
files) and whatever libsndfile gives up on half-way. The content of a file decides, never its extension.
"""

import errno
import os
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voicemill.audio import probing
from voicemill.audio.resampling import resample
from voicemill.errors import InputError

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer

MIN_RATE, MAX_RATE = 8_000, 192_000
# Unrelated signals in stereo lose 3 dB in the mean; a silent or phase-inverted channel costs 6 or more.
LOST_IN_MEAN = 0.3
MAX_UNREADABLE_SAMPLES = 0.1
# Samples copied at a time, so that an hour of sound is in memory once and not twice.
BLOCK = 1 << 20
# What may be free on a disk on which something did not fit.
_FULL_BYTES = 1 << 20
_SYSTEM_ERROR = 2  # libsndfile's SF_ERR_SYSTEM
_SET_ADD_PEAK_CHUNK = 0x1050  # libsndfile's SFC_SET_ADD_PEAK_CHUNK, which soundfile does not name


@dataclass(frozen=True)
class Audio:
    """A decoded recording.

    Attributes:
        samples: float32 `[channels, n]`, finite; may exceed 1.0 where a float file does.
        rate: Sampling rate in Hz.
        notes: What was odd about the file and how it was mended, one short sentence each.
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


def read(path: str | os.PathLike[str]) -> Audio:
    """Decode a whole file at its own rate, with all its channels.

    Args:
        path: Any file that libsndfile or ffmpeg can decode, under any name.

    Returns:
        The samples, repaired where that is safe (see `Audio.notes`).

    Raises:
        InputError: The file is empty, no audio, has a broken header, or holds nothing that can be used.
    """
    path = Path(path)
    notes = list(probing.examine(path))
    try:
        samples, rate = _read_libsndfile(path)
    except _Undecodable as gave_up:
        samples, rate, decoding_notes = _read_ffmpeg(path)
        if gave_up.damaged and not decoding_notes:
            notes.append("damaged file: it was decoded to its end, but parts of it may be wrong")
        notes += decoding_notes
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(f"{path.name}: sampling rate {rate} Hz; {MIN_RATE} to {MAX_RATE} Hz can be used")
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
    return samples[loudest].copy(), f"channels cancel or are silent in the mix: channel {loudest + 1} alone was taken"


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
    # A short name of its own: the wanted name may already be as long as the file system allows.
    partial = path.parent / f".{uuid.uuid4().hex}.partial"
    try:
        channels = 1 if samples.ndim == 1 else samples.shape[0]
        with soundfile.SoundFile(partial, "w", rate, channels, subtype, format="WAV") as sink:
            # The PEAK chunk of float files holds the time of writing: equal sound would be different bytes.
            soundfile._snd.sf_command(sink._file, _SET_ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)
            if comment:
                sink.comment = comment
            for first in range(0, samples.shape[-1], BLOCK):
                sink.write(samples[..., first : first + BLOCK].T)
        os.replace(partial, path)
    except soundfile.LibsndfileError as error:
        if error.code == _SYSTEM_ERROR and shutil.disk_usage(path.parent).free < _FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


class _Undecodable(Exception):
    """libsndfile cannot read the file; `damaged` where it knows the format but met an error inside."""

    def __init__(self, damaged: bool) -> None:
        super().__init__()
        self.damaged = damaged


def _read_libsndfile(path: Path) -> tuple[np.ndarray, int]:
    import soundfile

    known = False
    try:
        # Opened by us: without a name libsndfile goes by the content alone.
        with path.open("rb") as stream, soundfile.SoundFile(stream) as source:
            known = True
            samples = np.empty((source.channels, source.frames), np.float32)
            filled = 0
            for block in source.blocks(BLOCK, dtype="float32", always_2d=True):
                samples[:, filled : filled + len(block)] = block.T
                filled += len(block)
            # No samples in a file of some size: a header that was never completed (streamed WAV).
            if filled < source.frames or (not filled and path.stat().st_size > probing.SNIFFED):
                raise _Undecodable(damaged=filled < source.frames)
            return samples, source.samplerate
    except soundfile.LibsndfileError as error:
        raise _Undecodable(damaged=known) from error


def _read_ffmpeg(path: Path) -> tuple[np.ndarray, int, list[str]]:
    """Decode packet by packet, so that a damaged one costs itself and not the file."""
    import av
    from av.error import FFmpegError

    damaged = 0
    planes: list[np.ndarray] = []
    try:
        with path.open("rb") as stream, av.open(stream, "r") as container:
            if not container.streams.audio:
                raise InputError(f"{path.name} is not audio: a {container.format.long_name} file without a sound track")
            track = container.streams.audio[0]
            if not track.rate or not track.channels:
                raise InputError(f"{path.name} is not audio: nothing in it can be decoded")
            to_float = av.AudioResampler(format="fltp", layout=track.layout, rate=track.rate)
            for packet in container.demux(track):
                try:
                    frames = packet.decode()
                except FFmpegError:
                    damaged += 1
                    continue
                planes += [part.to_ndarray() for frame in frames for part in to_float.resample(frame)]
            planes += [part.to_ndarray() for part in to_float.resample(None)] if planes else []
            rate, promised = track.rate, _promised(container, track)
    except FFmpegError as error:
        raise InputError(f"{path.name} is not audio: neither libsndfile nor ffmpeg can read it") from error
    if not planes:
        raise InputError(f"{path.name} is not audio: nothing in it can be decoded")
    samples = np.concatenate(planes, axis=1)
    notes = []
    if damaged:
        notes.append(f"damaged file: {damaged} undecodable packets were left out")
    if promised and samples.shape[1] < 0.99 * promised:
        notes.append(f"cut off: {samples.shape[1] / rate:.2f} of {promised / rate:.2f} s are there")
    return samples, rate, notes


def _promised(container: "InputContainer", track: "AudioStream") -> int:
    """Samples that the header promises, 0 where it says nothing."""
    if track.duration and track.time_base:
        return int(track.duration * track.time_base * track.rate)
    return int((container.duration or 0) * track.rate / 1_000_000)


def _finite(samples: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    good = np.isfinite(samples)
    bad = int(samples.size - np.count_nonzero(good))
    if not bad:
        return samples, []
    if bad > MAX_UNREADABLE_SAMPLES * samples.size:
        raise InputError(f"{name}: {bad / samples.size:.0%} of the samples are not numbers (NaN or infinite)")
    return np.where(good, samples, np.float32(0)), [f"{bad} samples were NaN or infinite and became 0"]
