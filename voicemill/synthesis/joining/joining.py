"""One audio file of a script's lines, with chapters and subtitles.

The lines are read twice, to measure their loudness and to write them, so that an audiobook needs the memory of a line.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from voicemill.audio.reading import read, to_mono
from voicemill.audio.resampling import resample
from voicemill.core.files import atomic
from voicemill.synthesis import subtitles
from voicemill.synthesis.joining import encoding, loudness
from voicemill.synthesis.joining.encoding import Chapter
from voicemill.synthesis.joining.lines import Line, pause_after, trimmed
from voicemill.synthesis.marking import TITLE, provenance, software
from voicemill.synthesis.subtitles import Word

LOUDNESS = -18.0
"""LUFS: between what podcasts (-16) and audiobooks (-18 to -23) are asked for."""
_OPUS_RATE = 48_000
_END_SECONDS = 0.5


@dataclass(frozen=True)
class Joined:
    """What was written.

    Attributes:
        seconds: Length of the file.
        lufs: Loudness of the lines before.
        gain_db: By how much they were made louder.
        chapters: Its chapters.
        words: Words of each line, with their times in the file.
    """

    seconds: float
    lufs: float
    gain_db: float
    chapters: list[Chapter]
    words: list[list[Word]]


def join(
    lines: Sequence[Line],
    path: Path,
    *,
    title: str = "",
    target_lufs: float = LOUDNESS,
    pause: float = 1.0,
    endings: Sequence[str] = tuple(subtitles.FORMATS),
) -> Joined:
    """Write one audio file of some lines, and its subtitles beside it.

    Args:
        lines: At least one.
        path: The file; its ending decides the format: .wav, .flac, .mp3, .m4b, .m4a, .ogg.
        title: Its title.
        target_lufs: How loud it shall be.
        pause: Factor on all pauses between lines.
        endings: Of the subtitles: .srt, .vtt, .json.

    Raises:
        UsageError: The ending is not known.
        InputError: A line's file is missing or damaged.
    """
    form = encoding.format_of(path)
    rate = _OPUS_RATE if form.codec == "libopus" else read(lines[0].file).rate
    pauses = [pause * pause_after(line, following) for line, following in itertools.pairwise(lines)]
    pauses.append(_END_SECONDS)

    def blocks(gain: float = 1.0) -> Iterator[np.ndarray]:
        for (sound, _), silence in zip(_sounds(lines, rate), pauses, strict=True):
            yield sound * np.float32(gain)
            yield np.zeros(int(silence * rate), np.float32)

    heard = loudness.measure(blocks(), rate)
    gain = heard.gain(target_lufs)
    words: list[list[Word]] = []
    chapters: list[Chapter] = []
    length = 0
    for (sound, spoken), line, silence in zip(_sounds(lines, rate), lines, pauses, strict=True):
        offset = length / rate
        words.append([replace(word, start=word.start + offset, end=word.end + offset) for word in spoken])
        if line.chapter or not chapters:
            chapters.append(Chapter(line.chapter or title or "Beginning", offset, offset))
        length += len(sound) + int(silence * rate)
    ends = [*(chapter.start for chapter in chapters[1:]), length / rate]
    chapters = [replace(chapter, end=end) for chapter, end in zip(chapters, ends, strict=True)]

    with atomic(path, is_folder=False) as partial:
        encoding.encode(
            partial,
            blocks(gain),
            rate,
            container=form.container,
            codec=form.codec,
            bit_rate=form.bit_rate,
            tags={"title": title or TITLE, "comment": _provenance(lines), "encoded_by": software()},
            chapters=chapters if len(chapters) > 1 or path.suffix.lower() == ".m4b" else (),
        )
    subtitles.write_all(path, words, endings)
    return Joined(length / rate, heard.lufs, 20 * float(np.log10(gain)), chapters, words)


def _sounds(lines: Sequence[Line], rate: int) -> Iterator[tuple[np.ndarray, list[Word]]]:
    """Yield the sound of each line without the silence around it, and its words with their times in that."""
    for line in lines:
        audio = read(line.file)
        samples = to_mono(audio.samples)[0]
        start, end = trimmed(samples, audio.rate)
        shift, longest = start / audio.rate, (end - start) / audio.rate
        words = [
            replace(
                word, start=min(max(word.start - shift, 0.0), longest), end=min(max(word.end - shift, 0.0), longest)
            )
            for word in line.words(audio.seconds)
        ]
        yield resample(samples[start:end], audio.rate, rate), words


def _provenance(lines: Sequence[Line]) -> str:
    """Return what all lines have in common: whose voices, and whether every line is watermarked."""
    marks = {str(line.row.get("watermark", "")) for line in lines}
    return provenance(
        speakers=sorted({str(line.row["speaker"]) for line in lines if line.row.get("speaker")}),
        voices=sorted({str(line.row["voice"]) for line in lines if line.row.get("voice")}),
        lines=len(lines),
        watermark=marks.pop() if len(marks) == 1 else "",
    )
