"""Cut recordings into clips at silences.

Reads   audio/*.wav       any rate
Writes  clips/*.wav       32 kHz mono PCM_16, named <recording>_<start>_<end>.wav in samples at 32 kHz
Drops   silence, and clips that are too short to train on or without speech, with the reason in the ledger
"""

from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le

from voicemill.audio.clip_names import SHORTEST_LIMIT_SECONDS
from voicemill.contract import InputDir, Ledger, OutputDir, stage
from voicemill.core.errors import UsageError


def _check(*, max_seconds: float, min_length: float, min_interval: float, hop: float, max_silence_kept: float) -> None:
    """Refuse lengths that contradict each other, as the slicer would when it has read a recording."""
    lengths = {"min-length": min_length, "min-interval": min_interval, "hop": hop, "max-silence-kept": max_silence_kept}
    for longer, shorter in (("min-length", "min-interval"), ("min-interval", "hop"), ("max-silence-kept", "hop")):
        if lengths[longer] < lengths[shorter]:
            raise UsageError(
                f"--{longer} ({lengths[longer]:g} ms) must not be shorter than --{shorter} ({lengths[shorter]:g} ms)"
            )
    if 0 < max_seconds < SHORTEST_LIMIT_SECONDS:
        raise UsageError(f"--max-seconds must be 0 or at least {SHORTEST_LIMIT_SECONDS:g}, not {max_seconds:g}")


@stage(family="audio", cpu=1, memory="4Gi", results=("kept", "seconds"), check=_check)
def slice_clips(
    audio: InputDir,
    clips: OutputDir,
    *,
    max_seconds: Annotated[float, Ge(0), Le(54)] = 0.0,
    threshold: Annotated[float, Ge(-120), Le(0)] = -34.0,
    min_length: Annotated[float, Ge(1), Le(3_600_000)] = 4000,
    min_interval: Annotated[float, Ge(1), Le(3_600_000)] = 300,
    hop: Annotated[float, Ge(1), Le(1000)] = 10,
    max_silence_kept: Annotated[float, Ge(1), Le(3_600_000)] = 500,
    normalise_peak: Annotated[float, Gt(0), Le(1)] = 0.9,
    normalise_share: Annotated[float, Ge(0), Le(1)] = 0.25,
) -> Ledger:
    """Cut recordings into clips at silences.

    Args:
        audio: Folder of recordings, from normalize.
        clips: Where the clips go.
        max_seconds: Longest clip in seconds, at least 1.5; a longer phrase is cut at its quietest point. 0 follows the
            GPU's memory (16 s at 16 GB, in proportion, 6 to 20 s) and is 15 s without one.
        threshold: Level in dBFS below which it is silent.
        min_length: Clips shorter than this many milliseconds grow into the next phrase.
        min_interval: Shortest silence to cut at, in milliseconds.
        hop: Step of the loudness curve, in milliseconds.
        max_silence_kept: Silence left at the ends of a clip, in milliseconds.
        normalise_peak: Peak that clips are moved towards.
        normalise_share: How far they are moved, 0 to 1.
    """
    import numpy as np

    from voicemill.audio import reading, slicing
    from voicemill.audio.clip_names import name_of
    from voicemill.audio.recordings import overlay
    from voicemill.audio.resampling import resample_ffmpeg
    from voicemill.core.hardware import gpu_memory_gib
    from voicemill.core.parallel import ahead

    def cut(item: tuple[str, Path]) -> tuple[float, list[tuple[slicing.Span, str | None]], list[np.ndarray]]:
        """Return a recording's seconds, its spans with the reason of each that is dropped, samples of the others."""
        sound = reading.read(item[1])
        samples = resample_ffmpeg(reading.to_mono(sound.samples)[0], sound.rate, slicing.RATE)
        spans = list(slicing.cut(samples, longest, settings))
        kept = [samples[span.start : span.end] for span, reason in spans if not reason]
        levelled = [slicing.normalise(clip, normalise_peak, normalise_share) for clip in kept]
        return sound.seconds, spans, [slicing.to_int16(clip) for clip in levelled]

    ledger = Ledger()
    settings = slicing.Settings(threshold, min_length, min_interval, hop, max_silence_kept)
    longest = max_seconds or slicing.longest_for(gpu_memory_gib())
    silence = 0
    sources = overlay(audio)
    working = ahead(cut, sources.items(), size=lambda item: item[1].stat().st_size)
    for (name, _), done in ledger.each(working, total=len(sources), name=lambda pair: pair[0][0], label="slicing"):
        with ledger.item(name):
            whole, spans, samples = done.result()
            if all(reason == slicing.SILENCE for _, reason in spans):
                ledger.drop(name, "only silence", seconds=round(whole, 3))
            remaining = iter(samples)
            for span, reason in spans:
                item = name_of(name, span.start, span.end)
                seconds = round(len(span) / slicing.RATE, 3)
                if reason == slicing.SILENCE:
                    silence += len(span)
                elif reason:
                    ledger.drop(item, reason, seconds=seconds)
                else:
                    reading.write_wav(clips / item, next(remaining), slicing.RATE, "PCM_16")
                    ledger.keep(item, seconds=seconds)
    ledger.note(max_seconds=longest, silence_seconds=round(silence / slicing.RATE, 3))
    ledger.require(1, "clips")
    return ledger


if __name__ == "__main__":
    slice_clips.main()
