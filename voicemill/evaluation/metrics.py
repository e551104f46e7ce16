"""How well a voice speaks: recognised words against asked words, likeness to the speaker, pace, and sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from voicemill.evaluation import intervals, score
from voicemill.evaluation.intervals import Interval


@dataclass(frozen=True)
class Measure:
    """What a pair of checkpoints reached with a reference clip.

    Attributes:
        sovits: File name of the acoustic model.
        gpt: File name of the token model.
        error_rate: Errors over asked words (characters where words are not spaced) of all lines together, as
            `voicemill.text.scoring` counts them; can exceed 1.
        similarity: Cosine of the speaker embeddings of what was said and of the speaker's clips, mean over the lines.
        seconds: Length of all speech.
        reference: File name of the clip that was imitated.
        phone_error_rate: Errors over asked phones of all lines together.
        second_similarity: As `similarity` by a second encoder, ERes2NetV2; None where the models folder has none.
        pace: Phones a second from the first to the last speech of a line; None where nothing was spoken.
        pace_ratio: The same over the speaker's own; None where the speaker's is not known.
        ovrl: DNSMOS P.835 opinion of the sound, 1 to 5, mean over the lines.
        error_rate_interval: Where the error rate lies with 95 % chance, by a bootstrap over the lines; None of fewer
            than three lines. The same for both similarities, pace and score.
        failing: Share of the lines that break a rule of verification: those that mending would speak again.
        failing_interval: Where it lies with 95 % chance (Wilson).
        causes: How many lines fail for each cause, the most frequent first.
        lines: Per line: `text`, `heard`, `causes` (why it fails), `errors`, `words` (how many were asked),
            `error_rate`, `phone_error_rate`, `longest_run`, `missing_at_start`, `missing_at_end`, `added_at_end` (in
            words or characters), `similarity`, `second_similarity`, `phones`, `spoken_seconds`, `ovrl`, `seconds`,
            `audio`.
    """

    sovits: str
    gpt: str
    error_rate: float
    similarity: float
    seconds: float
    reference: str = ""
    phone_error_rate: float = 0.0
    second_similarity: float | None = None
    pace: float | None = None
    pace_ratio: float | None = None
    ovrl: float | None = None
    error_rate_interval: Interval | None = None
    similarity_interval: Interval | None = None
    second_similarity_interval: Interval | None = None
    pace_interval: Interval | None = None
    score_interval: Interval | None = None
    failing: float = 0.0
    failing_interval: Interval | None = None
    causes: dict[str, int] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def score(self) -> float:
        """What the best pair has most of; see `voicemill.evaluation.score`."""
        return float(score.combined(self.error_rate, self.similarity, self.pace_ratio, self.ovrl))

    def row(self) -> dict[str, Any]:
        """Return the measure as evaluation.json has it."""
        return {**asdict(self), "score": round(self.score, 4)}


def diverged(sovits: str, gpt: str, reference: str = "") -> Measure:
    """Return the measure of weights that speak no numbers: as bad as can be."""
    return Measure(sovits, gpt, error_rate=1.0, similarity=-1.0, seconds=0.0, reference=reference, failing=1.0)


def summed(sovits: str, gpt: str, rows: Sequence[dict[str, Any]], speaker_pace: float | None, **about: Any) -> Measure:
    """Put the lines of a voice together.

    Args:
        sovits: File name of the acoustic model.
        gpt: File name of the token model.
        rows: Lines as `Measure.lines` has them, with `wrong_phones`.
        speaker_pace: Phones a second of the speaker, None where not known.
        about: Other attributes of the measure.
    """
    ones = [1.0] * len(rows)
    errors, words, wrong, phones, similarity, ovrl = (
        [row[name] for row in rows] for name in ("errors", "words", "wrong_phones", "phones", "similarity", "ovrl")
    )
    second = [row["second_similarity"] for row in rows if row["second_similarity"] is not None]
    failing = sum(bool(row["causes"]) for row in rows)
    # A line without speech has no pace; the score counts its words as missing already.
    paced = [(row["phones"], row["spoken_seconds"]) for row in rows if row["spoken_seconds"]]
    pace = sum(one for one, _ in paced) / sum(other for _, other in paced) if paced else None
    return Measure(
        sovits,
        gpt,
        error_rate=round(sum(errors) / sum(words), 4),
        similarity=round(float(np.mean(similarity)), 4),
        seconds=round(sum(row["seconds"] for row in rows), 3),
        phone_error_rate=round(sum(wrong) / max(sum(phones), 1), 4),
        second_similarity=round(float(np.mean(second)), 4) if second else None,
        pace=round(pace, 3) if pace else None,
        pace_ratio=round((pace or 0.0) / speaker_pace, 4) if speaker_pace else None,
        ovrl=round(float(np.mean(ovrl)), 3),
        error_rate_interval=intervals.ratio(errors, words),
        similarity_interval=intervals.ratio(similarity, ones),
        second_similarity_interval=intervals.ratio(second, [1.0] * len(second)),
        pace_interval=intervals.ratio([one for one, _ in paced], [other for _, other in paced]),
        score_interval=_score_interval(rows, speaker_pace),
        failing=round(failing / len(rows), 4),
        failing_interval=intervals.wilson(failing, len(rows)),
        causes=dict(Counter(cause for row in rows for cause in row["causes"]).most_common()),
        lines=list(rows),
        **about,
    )


def resampled_score(rows: Sequence[dict[str, Any]], speaker_pace: float | None) -> np.ndarray:
    """Return the score in each resample of the lines, `[RESAMPLES]`; of the same lines in the same order."""
    ones = [1.0] * len(rows)
    column = {name: [row[name] for row in rows] for name in ("errors", "words", "similarity", "ovrl")}
    pace_ratio = None
    if speaker_pace:
        said = [row["phones"] if row["spoken_seconds"] else 0 for row in rows]
        pace_ratio = intervals.resampled_ratio(said, [row["spoken_seconds"] for row in rows]) / speaker_pace
    return score.combined(
        intervals.resampled_ratio(column["errors"], column["words"]),
        intervals.resampled_ratio(column["similarity"], ones),
        pace_ratio,
        intervals.resampled_ratio(column["ovrl"], ones),
    )


def _score_interval(rows: Sequence[dict[str, Any]], speaker_pace: float | None) -> Interval | None:
    return intervals.ends(resampled_score(rows, speaker_pace)) if len(rows) >= intervals.FEWEST_LINES else None
