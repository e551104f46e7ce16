"""How well a pair of checkpoints speaks: recognised words against asked words, and likeness to the speaker."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from voicemill.asr import Recognizer
from voicemill.asr.transcript import RATE as ASR_RATE
from voicemill.core.errors import InputError
from voicemill.evaluation import intervals
from voicemill.evaluation.speaker_similarity import SpeakerLikeness
from voicemill.text import scoring

_EPOCH = re.compile(r"_e(\d+)")


@dataclass(frozen=True)
class Measure:
    """What one pair of checkpoints reached.

    Attributes:
        sovits: File name of the acoustic model.
        gpt: File name of the token model.
        error_rate: Errors over asked words (characters where words are not spaced) of all lines together, as
            `voicemill.text.scoring` counts them; can exceed 1.
        similarity: Cosine of the speaker embeddings of what was said and of the speaker's clips, mean over the lines.
        seconds: Length of all speech.
        phone_error_rate: Errors over asked phones of all lines together.
        error_rate_interval: Where the error rate lies with 95 % chance, by a bootstrap over the lines; None of fewer
            than three lines. The same for similarity and score.
        lines: Per line: `text`, `heard`, `errors`, `words` (how many were asked), `error_rate`, `phone_error_rate`,
            `longest_run`, `missing_at_start`, `missing_at_end`, `added_at_end` (in words or characters), `similarity`,
            `seconds`, `audio`.
    """

    sovits: str
    gpt: str
    error_rate: float
    similarity: float
    seconds: float
    phone_error_rate: float = 0.0
    error_rate_interval: tuple[float, float] | None = None
    similarity_interval: tuple[float, float] | None = None
    score_interval: tuple[float, float] | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def score(self) -> float:
        """Similarity less the error rate, the latter counted as 1 at most: what the best pair has most of."""
        return self.similarity - min(self.error_rate, 1.0)

    def row(self) -> dict[str, Any]:
        """Return the measure as evaluation.json has it."""
        return {**asdict(self), "score": round(self.score, 4)}


def epoch_of(name: str) -> int:
    """Return the epoch that a weights file was saved after, by its name; 0 if the name does not say."""
    match = _EPOCH.search(name)
    return int(match[1]) if match else 0


def search(
    sovits: Sequence[Path], gpt: Sequence[Path], measure: Callable[[Path, Path], Measure]
) -> tuple[Measure, list[Measure]]:
    """Find the best pair of checkpoints without trying all of them.

    Every SoVITS epoch speaks with the last GPT epoch; then every other GPT epoch with the best of these. That is
    n + m - 1 pairs in the place of n * m: the acoustic model decides how alike it sounds, the token model what is
    said, and the two hardly disturb one another.

    Args:
        sovits: Weights of the saved SoVITS epochs, not empty.
        gpt: Weights of the saved GPT epochs, not empty.
        measure: Lets a pair speak and measures it.

    Returns:
        The best pair (by score, of equals the later epochs) and all that were measured, in the order of measuring.
    """
    sovits, gpt = (sorted(paths, key=lambda path: epoch_of(path.name)) for paths in (sovits, gpt))
    measured = [measure(path, gpt[-1]) for path in sovits]
    best = _best(measured)
    acoustic = next(path for path in sovits if path.name == best.sovits)
    measured += [measure(acoustic, path) for path in gpt[:-1]]
    return _best(measured), measured


def as_good(best: Measure, measured: Sequence[Measure]) -> list[str]:
    """The other pairs whose score lies in the interval of the best one's: with other lines one of them might be chosen.

    Args:
        best: The chosen pair.
        measured: All pairs that were measured.

    Returns:
        Their names, `sovits+gpt`; none where the best one has no interval.
    """
    if best.score_interval is None:
        return []
    others = (one for one in measured if (one.sovits, one.gpt) != (best.sovits, best.gpt))
    return [f"{Path(one.sovits).stem}+{Path(one.gpt).stem}" for one in others if one.score >= best.score_interval[0]]


def _best(measures: Sequence[Measure]) -> Measure:
    return max(measures, key=lambda one: (round(one.score, 6), epoch_of(one.sovits), epoch_of(one.gpt)))


def weights_in(folder: Path) -> list[Path]:
    """Return the weights files of a training.

    Raises:
        InputError: if there is none.
    """
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        raise InputError(f"{folder} has no weights (*.safetensors); train first")
    return found


class SpokenLine(Protocol):
    """A line that was spoken; see `voicemill.gpt_sovits.synthesis.Speech`."""

    @property
    def samples(self) -> np.ndarray: ...
    @property
    def rate(self) -> int: ...


@dataclass(frozen=True)
class Judge:
    """Listens to spoken lines.

    Attributes:
        recogniser: Hears the words.
        likeness: Hears the speaker.
        language: Language of the lines.
    """

    recogniser: Recognizer
    likeness: SpeakerLikeness
    language: str

    def measure(
        self, sovits: str, gpt: str, asked: Sequence[str], spoken: Sequence[SpokenLine], audio: Path
    ) -> Measure:
        """Measure what a pair of checkpoints said, and keep it.

        Args:
            sovits: File name of the acoustic model.
            gpt: File name of the token model.
            asked: The lines.
            spoken: The same lines, spoken.
            audio: Folder for the sound.

        Raises:
            InputError: if the synthesized samples contain NaN or Inf.
        """
        from voicemill.audio.reading import write_wav
        from voicemill.audio.resampling import resample

        if not all(np.isfinite(one.samples).all() for one in spoken):
            raise InputError("synthesis produced NaN or Inf samples: training diverged; lower the learning rate")
        heard = self.recogniser.transcribe_all([resample(one.samples, one.rate, ASR_RATE) for one in spoken])
        scores = [scoring.score(line, found.text, self.language) for line, found in zip(asked, heard, strict=True)]
        rows = []
        lines = zip(asked, spoken, heard, scores, strict=True)
        for number, (line, sound, transcript, score) in enumerate(lines, start=1):
            name = f"{Path(sovits).stem}+{Path(gpt).stem}_{number}.wav"
            write_wav(audio / name, sound.samples, sound.rate, "PCM_16")
            rows.append(
                {
                    "text": line,
                    "heard": transcript.text,
                    "errors": score.words.errors,
                    "words": score.words.length,
                    "error_rate": round(score.words.rate, 4),
                    "phone_error_rate": round(score.phones.rate, 4),
                    "longest_run": score.words.longest_run,
                    "missing_at_start": score.words.missing_at_start,
                    "missing_at_end": score.words.missing_at_end,
                    "added_at_end": score.words.added_at_end,
                    "similarity": round(self.likeness.similarity(sound.samples, sound.rate), 4),
                    "seconds": round(len(sound.samples) / sound.rate, 3),
                    "audio": f"{audio.name}/{name}",
                }
            )
        errors, words, similarities = ([row[name] for row in rows] for name in ("errors", "words", "similarity"))
        return Measure(
            sovits,
            gpt,
            error_rate=round(scoring.pooled(score.words for score in scores).rate, 4),
            similarity=round(sum(row["similarity"] for row in rows) / len(rows), 4),
            seconds=round(sum(row["seconds"] for row in rows), 3),
            phone_error_rate=round(scoring.pooled(score.phones for score in scores).rate, 4),
            error_rate_interval=intervals.ratio(errors, words),
            similarity_interval=intervals.ratio(similarities, [1.0] * len(rows)),
            score_interval=intervals.score(errors, words, similarities),
            lines=rows,
        )
