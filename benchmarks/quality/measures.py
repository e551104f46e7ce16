"""What is measured of spoken sentences, and how sentences are put together into figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from voicemill.text.scoring import Difference

_RESAMPLES = 2000


@dataclass(frozen=True)
class Sentence:
    """A sentence that was spoken, by a voice or by the speaker.

    Attributes:
        name: Names it in tables and its audio file.
        text: What is to be heard; None where nobody wrote it down, so that no errors can be counted.
        audio: The recording.
        prompt: The recording that the voice imitated, where each sentence has its own.
    """

    name: str
    text: str | None
    audio: Path
    prompt: Path | None = None


@dataclass(frozen=True)
class Heard:
    """Measures of one sentence.

    Attributes:
        name: As the sentence's.
        text: What was asked, or None.
        heard: What the recogniser heard.
        words: Errors in words (characters where words are not spaced).
        phones: Errors in phones.
        similarity: Cosine to the speaker, or to the prompt where each sentence has its own.
        others: Cosine to each other speaker.
        sig: DNSMOS opinion of the speech, 1 to 5.
        bak: Of the background.
        ovrl: Of both.
        seconds: From the first to the last speech, pauses within included; None without speech.
        audio: The recording.
        also: Errors in words by a second recogniser, by its name.
    """

    name: str
    text: str | None
    heard: str
    words: Difference | None
    phones: Difference | None
    similarity: float
    others: Mapping[str, float]
    sig: float
    bak: float
    ovrl: float
    seconds: float | None
    audio: Path
    also: Mapping[str, Difference] = field(default_factory=dict)

    @property
    def pace(self) -> float | None:
        """Seconds a phone."""
        return self.seconds / self.phones.length if self.seconds and self.phones else None

    def row(self) -> dict[str, Any]:
        """As it stands in results.json."""
        return {**asdict(self), "audio": str(self.audio)}


@dataclass(frozen=True)
class Figure:
    """A mean and its 95 % interval, None where too few sentences have the measure."""

    value: float
    low: float | None = None
    high: float | None = None


def interval(sums: Sequence[float], counts: Sequence[float], seed: int = 0) -> Figure:
    """Return a rate over sentences and its 95 % interval, by drawing the sentences anew (percentile bootstrap).

    Args:
        sums: What each sentence adds above the line, such as its errors.
        counts: And below the line, such as its words; ones for a mean.
        seed: The same seed gives the same interval.
    """
    from scipy.stats import bootstrap

    above, below = np.asarray(sums, float), np.asarray(counts, float)
    value = float(above.sum() / below.sum())
    if len(above) < 2:
        return Figure(value)
    drawn = bootstrap(
        (above, below),
        lambda a, b, axis=-1: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        n_resamples=_RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return Figure(value, float(drawn.confidence_interval.low), float(drawn.confidence_interval.high))


@dataclass(frozen=True)
class Summary:
    """Measures over all sentences of one voice, or of the speaker's recordings.

    Attributes:
        title: What was measured.
        sentences: The single measures.
        dropped: Sentences that could not be measured, with the reason.
        of_speaker: Whether these are recordings of the speaker, which voices are compared with.
    """

    title: str
    sentences: Sequence[Heard]
    dropped: Mapping[str, str] = field(default_factory=dict)
    of_speaker: bool = False

    def figures(self) -> dict[str, Figure | None]:
        """Return the measures by name; None where no sentence has them.

        Error rates are sums of errors over sums of words or phones; margin is the similarity less that to the most
        similar other speaker.
        """
        found: dict[str, Figure | None] = {
            "wer": self._errors([one.words for one in self.sentences]),
            **{
                f"wer by {name}": self._errors([one.also.get(name) for one in self.sentences])
                for name in dict.fromkeys(name for one in self.sentences for name in one.also)
            },
            "per": self._errors([one.phones for one in self.sentences]),
            "similarity": self._mean([one.similarity for one in self.sentences]),
        }
        names = self.sentences[0].others if self.sentences else ()
        for name in names:
            found[f"to {name}"] = self._mean([one.others[name] for one in self.sentences])
        if names:
            nearest = max(names, key=lambda name: np.mean([one.others[name] for one in self.sentences]))
            found["margin"] = self._mean([one.similarity - one.others[nearest] for one in self.sentences])
        for name in ("sig", "bak", "ovrl"):
            found[name] = self._mean([getattr(one, name) for one in self.sentences])
        paced = [(one.seconds, one.phones.length) for one in self.sentences if one.seconds and one.phones]
        found["pace"] = interval([one for one, _ in paced], [one for _, one in paced]) if paced else None
        return found

    @staticmethod
    def _errors(counted: Sequence[Difference | None]) -> Figure | None:
        known = [one for one in counted if one]
        return interval([one.errors for one in known], [one.length for one in known]) if known else None

    @staticmethod
    def _mean(values: Sequence[float]) -> Figure | None:
        return interval(values, [1.0] * len(values)) if values else None
