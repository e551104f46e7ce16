"""Cut recordings into clips at silences, none longer than a limit.

The search for silences is that of audio-slicer 2 as GPT-SoVITS ships it (tools/slicer2.py), with the defaults of its
web page; given the same samples it cuts at the same ones. The limit on length is ours: the reference lets a speaker who
never pauses fill a clip of minutes, which then fills the GPU.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from voicemill.audio import levels, speech
from voicemill.audio.clip_names import SHORTEST_LIMIT_SECONDS
from voicemill.core.errors import UsageError

RATE = 32_000
# GPT-SoVITS trains on nothing shorter (module/data_utils.py).
MIN_CLIP_SECONDS = 0.6
# A cut needs a dip that lasts: single quiet frames are closures inside words.
SMOOTHED_SECONDS = 0.1
FRAMES_AT_ONCE = 8_192

SILENCE = "silence"
TOO_QUIET = "quieter than the silence threshold, though it sounds like speech; a lower --threshold would keep it"


@dataclass(frozen=True)
class Settings:
    """When a stretch counts as silence, in the reference's terms.

    Attributes:
        threshold: Root mean square in dBFS below which a frame is silent.
        min_length: Shortest clip in milliseconds; shorter ones grow into the next phrase.
        min_interval: Shortest silence to cut at, in milliseconds.
        hop: Step of the loudness curve in milliseconds.
        max_kept: Silence left at either end of a clip, in milliseconds.
    """

    threshold: float = -34.0
    min_length: float = 4000
    min_interval: float = 300
    hop: float = 10
    max_kept: float = 500

    def __post_init__(self) -> None:
        if not self.min_length >= self.min_interval >= self.hop or not self.max_kept >= self.hop:
            raise ValueError("min_length >= min_interval >= hop and max_kept >= hop must hold")


@dataclass(frozen=True)
class Span:
    """Samples `[start, end)` of a recording."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def longest_for(gpu_gib: float | None) -> float:
    """Longest clip that training takes on a GPU: 1 s a GiB, 6 to 20 s; 15 s without a GPU.

    Args:
        gpu_gib: Memory of the GPU in GiB; cards report a little below their nominal size, so it is rounded.
    """
    return 15.0 if gpu_gib is None else float(min(20, max(6, round(gpu_gib))))


def cut(
    samples: np.ndarray, longest_seconds: float, settings: Settings | None = None
) -> Iterator[tuple[Span, str | None]]:
    """Part a whole recording into clips and what is left out.

    Args:
        samples: float32 `[n]` at 32 kHz.
        longest_seconds: Limit on the length of a clip.
        settings: When a stretch counts as silence.

    Yields:
        Spans that cover the recording in order, without gap or overlap, each with the reason why it is left out, or
        None for a clip.

    Raises:
        UsageError: The limit is below 1.5 s.
    """
    if longest_seconds < SHORTEST_LIMIT_SECONDS:
        raise UsageError(f"clips of at most {longest_seconds:g} s are too short to train on; allow 1.5 s or more")
    clips = limit_length(samples, find_clips(samples, RATE, settings), int(longest_seconds * RATE))
    position = 0
    for clip in clips:
        if clip.start > position:
            yield Span(position, clip.start), _reason_for_gap(samples[position : clip.start])
        yield clip, _reason_against(samples[clip.start : clip.end])
        position = clip.end
    if position < len(samples):
        yield Span(position, len(samples)), _reason_for_gap(samples[position:])


def _reason_for_gap(gap: np.ndarray) -> str:
    quiet_speech = len(gap) >= RATE and levels.peak_dbfs(gap) > levels.SILENT_DBFS and speech.has_speech(gap, RATE)
    return TOO_QUIET if quiet_speech else SILENCE


def _reason_against(clip: np.ndarray) -> str | None:
    seconds = len(clip) / RATE
    if levels.peak_dbfs(clip) < levels.SILENT_DBFS:
        return SILENCE
    if seconds < MIN_CLIP_SECONDS:
        return f"too short: {seconds:.2f} s, a clip needs at least {MIN_CLIP_SECONDS} s"
    if not speech.has_speech(clip, RATE):
        return "no speech: only noise or music was found in it"
    return None


def find_clips(samples: np.ndarray, rate: int = RATE, settings: Settings | None = None) -> list[Span]:
    """Find the clips between silences, as the reference does.

    Args:
        samples: float32 `[n]`.
        rate: Their rate in Hz; the reference works at 32 kHz.
        settings: The reference's web page defaults if not given.

    Returns:
        Spans in order, without overlap; what lies between them is silence. The last may end up to a hop behind the last
        sample, as in the reference, which names files so.
    """
    settings = settings or Settings()
    hop = round(rate * settings.hop / 1000)
    interval_samples = rate * settings.min_interval / 1000
    min_length = round(rate * settings.min_length / 1000 / hop)
    min_interval = round(interval_samples / hop)
    max_kept = round(rate * settings.max_kept / 1000 / hop)
    # The reference compares samples with frames here; kept, since it only decides about the shortest of inputs.
    if len(samples) <= min_length:
        return [Span(0, len(samples))]
    loudness = frame_rms(samples, min(round(interval_samples), 4 * hop), hop)
    frames = len(loudness)

    cuts: list[tuple[int, int]] = []
    clip_start = 0
    for start, end in _silent_runs(loudness < 10 ** (settings.threshold / 20)):
        length = end - start
        if end == frames:
            if length >= min_interval:
                quietest = _quietest(loudness, start, min(frames, start + max_kept))
                cuts.append((quietest, frames + 1))
            continue
        leading = start == 0 and end > max_kept
        if not leading and (length < min_interval or end - clip_start < min_length):
            continue
        if length <= max_kept:
            cut = _quietest(loudness, start, end)
            begin, finish = (0 if start == 0 else cut), cut
        else:
            begin = 0 if start == 0 else _quietest(loudness, start, start + max_kept)
            finish = _quietest(loudness, end - max_kept, end)
            if start > 0 and length <= 2 * max_kept:
                # Both ends' search ranges overlap: what is quietest in both belongs to neither clip.
                middle = _quietest(loudness, end - max_kept, start + max_kept)
                begin, finish = min(begin, middle), max(finish, middle)
        cuts.append((begin, finish))
        clip_start = finish

    starts = [0, *(finish for _, finish in cuts)]
    ends = [*(begin for begin, _ in cuts), frames]
    return [Span(start * hop, end * hop) for start, end in zip(starts, ends, strict=True) if start < end]


def limit_length(samples: np.ndarray, spans: list[Span], longest: int, rate: int = RATE) -> list[Span]:
    """Cut what is too long at its quietest points.

    Args:
        samples: float32 `[n]`, the recording.
        spans: Clips of it.
        longest: Samples allowed in a clip.
        rate: Rate in Hz.

    Returns:
        Spans that cover the same samples, none longer than `longest`.
    """
    within = (Span(span.start, min(span.end, len(samples))) for span in spans)
    return [piece for span in within for piece in _pieces(samples, span, longest, rate)]


def _pieces(samples: np.ndarray, span: Span, longest: int, rate: int) -> Iterator[Span]:
    hop = rate // 100
    # Pieces of two thirds of the limit on average: the last one is never a splinter, and the cut has room to choose.
    while len(span) > longest:
        first = span.start + longest // 3
        last = min(span.start + longest, span.end - longest // 3)
        loudness = frame_rms(samples[first:last], 2 * hop, hop)
        width = max(1, round(SMOOTHED_SECONDS * rate / hop))
        smooth = np.convolve(loudness, np.ones(width), mode="valid")
        cut = min(last, first + (int(np.argmin(smooth)) + width // 2) * hop)
        yield Span(span.start, cut)
        span = Span(cut, span.end)
    yield span


def normalise(clip: np.ndarray, peak: float = 0.9, share: float = 0.25) -> np.ndarray:
    """Move a clip's level part of the way towards a common peak, as the reference's slicing script does.

    Args:
        clip: float32 `[n]`.
        peak: Peak aimed at (the reference's `max`).
        share: How much of the way to go, 0 to 1 (the reference's `alpha`).

    Returns:
        float32 `[n]`; silence comes back as it is.
    """
    loudest = np.abs(clip).max(initial=0)
    if loudest > 1:
        clip, loudest = clip / loudest, np.float32(1)
    if loudest == 0:
        return clip
    return clip / loudest * (peak * share) + (1 - share) * clip


def to_int16(clip: np.ndarray) -> np.ndarray:
    """Samples as 16-bit integers: times 32767, cut off towards zero as the reference does, held at full scale."""
    return np.clip(clip * 32767, -32768, 32767).astype(np.int16)


def frame_rms(samples: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Root mean square of centred frames, zeros assumed beyond both ends.

    Args:
        samples: float32 `[n]`.
        window: Frame length in samples.
        hop: Step in samples.

    Returns:
        float32 `[frames]`; frame i is centred on sample i * hop.
    """
    padded = np.pad(samples, window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    blocks = (frames[first : first + FRAMES_AT_ONCE] for first in range(0, len(frames), FRAMES_AT_ONCE))
    return np.concatenate([np.sqrt(np.mean(np.square(block), axis=1)) for block in blocks])


def _quietest(loudness: np.ndarray, first: int, last: int) -> int:
    """Return the quietest frame from `first` to `last`, both included."""
    return first + int(np.argmin(loudness[first : last + 1]))


def _silent_runs(silent: np.ndarray) -> list[tuple[int, int]]:
    """Return the runs of silent frames as `[start, end)`."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], silent.astype(np.int8), [0]))))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
