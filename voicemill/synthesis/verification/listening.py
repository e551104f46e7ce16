"""Choose the recognisers that verify lines: one that decides and, where two are available, another that reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from voicemill.asr import Recognizer, recognizer
from voicemill.asr.choice import has_whisper
from voicemill.asr.pocketsphinx import PocketsphinxRecognizer
from voicemill.asr.transcript import RATE
from voicemill.asr.whisper import WhisperRecognizer
from voicemill.audio.resampling import resample
from voicemill.core.errors import MissingModelError, UsageError
from voicemill.models import record
from voicemill.text.routes import route

Verify = Literal["auto", "off", "report", "mend"]
_ONLY_ENGLISH = ("en",)


@dataclass(frozen=True)
class Ear:
    """A recogniser that hears one line at a time, so that what it hears does not depend on the lines beside it.

    Attributes:
        recogniser: The recogniser.
        languages: The languages that it knows; None for all.
    """

    recogniser: Recognizer
    languages: tuple[str, ...] | None = None
    _by_language: dict[str, Recognizer] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return self.recogniser.name

    def knows(self, language: str) -> bool:
        return self.languages is None or language in self.languages

    def hear(self, samples: np.ndarray, rate: int, language: str) -> str:
        """Return the words of a line.

        Args:
            samples: float32 `[n]`; not finite ones are not heard.
            rate: Their rate in Hz.
            language: The line's.
        """
        *_, surest = self.hearings(samples, rate, language, glances=False)
        return surest

    def hearings(self, samples: np.ndarray, rate: int, language: str, *, glances: bool = True) -> Iterator[str]:
        """Return the words of a line as they were heard, each time more surely and at a higher cost.

        A line that passes by what was heard first need not be heard again: it is unlikely to be misheard as its text.

        Args:
            samples: As for `hear`.
            rate: As for `hear`.
            language: As for `hear`.
            glances: Whether to begin with what Whisper hears at a glance; see `WhisperRecognizer.glance`.
        """
        if not samples.size or not np.isfinite(samples).all():
            yield ""
            return
        if language not in self._by_language:
            told = self.recogniser
            self._by_language[language] = told.of(language) if isinstance(told, WhisperRecognizer) else told
        recogniser, clip = self._by_language[language], resample(samples, rate, RATE)
        if glances and isinstance(recogniser, WhisperRecognizer):
            yield recogniser.glance(clip)
        yield recogniser.transcribe(clip).text


def choose(
    verify: Verify, models: Path, language: str, *, device: Callable[[], str] = lambda: "auto"
) -> tuple[Verify, Ear | None, Ear | None]:
    """Decide whether lines are verified, and who hears them.

    `auto` reports where Whisper's real weights or SenseVoice are in the models folder, and by pocketsphinx where it
    holds a base that was made here, such as the small one, for English. Toy weights mean nothing and are not verified.

    Args:
        verify: What was asked for.
        models: Models folder.
        language: Of most lines.
        device: Where Whisper is to compute; asked only if there is one.

    Returns:
        `off`, `report` or `mend`; the recogniser that decides; and one that reports, where mending has two.

    Raises:
        UsageError: `report` or `mend` was asked for, and no recogniser of that language is there.
    """
    if verify == "off":
        return "off", None, None
    is_english = spoken_language("", language) in (*_ONLY_ENGLISH, "auto")
    mode: Verify = "report" if verify == "auto" else verify
    sensevoice = _sensevoice(models)
    if has_whisper(models):
        pocketsphinx = Ear(PocketsphinxRecognizer(), _ONLY_ENGLISH) if is_english else None
        ear, second = Ear(recognizer("whisper", models, device=device())), sensevoice or pocketsphinx
    elif sensevoice:
        ear, second = sensevoice, None
    elif verify == "auto" and not (_has_own_base(models) and is_english):
        return "off", None, None
    elif is_english:
        ear, second = Ear(PocketsphinxRecognizer(), _ONLY_ENGLISH), None
    else:
        raise UsageError(
            f"verify={verify} needs a recogniser of {language}: put Whisper into {models} (voicemill models pull), or"
            " set verify=off"
        )
    return mode, ear, second if mode == "mend" else None


def _sensevoice(models: Path) -> Ear | None:
    try:
        return Ear(recognizer("sensevoice", models))
    except MissingModelError:
        return None


def _has_own_base(models: Path) -> bool:
    """Return whether the token model was made by `pretrain`, as the small base was: neither a toy nor a public one."""
    return any(entry.model == "gpt" and entry.source == record.BASE for entry in record.read(models).values())


def spoken_language(text: str, language: str) -> str:
    """Return the one language that a line is heard and scored in.

    Args:
        text: The line.
        language: As `voicemill.text.ROUTES`: where it is left open, the language of most of the text.
    """
    named = language.removeprefix("all_")
    if not named.startswith("auto") or not text:
        return named
    letters: dict[str, int] = {}
    for stretch in route(text, named):
        letters[stretch.language] = letters.get(stretch.language, 0) + sum(map(str.isalnum, stretch.text))
    known = {one: count for one, count in letters.items() if one in ("zh", "yue", "en", "ja", "ko")}
    return max(known, key=lambda one: known[one]) if known else "en"
