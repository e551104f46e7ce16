"""Whisper hears a clip a second time: what else it could have heard, and how well a transcript fits the sound.

Both come from one encoding of the clip. The transcript is read along with the sound (teacher forcing): each of its
tokens has the chance that the decoder would give it at its place. A word that is not said has one of 0.0001 or less
where right ones seldom fall below 0.01, whoever wrote the transcript.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from voicemill.asr.transcript import RATE
from voicemill.dataset.labels import one_line

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

GUESSES = 3
_TEMPERATURE = 0.6
_SECONDS = 30
# The encoder gives a frame each 20 ms, and alignment counts those of the spectrogram, two for each.
_FRAMES_A_SECOND = 100
_MARGIN_FRAMES = 100
_SPACED = ("en", "ko")
_UNKNOWN = "\ufffd"


class Word(NamedTuple):
    """A word of a transcript (a token, where words are not spaced), and the product of its tokens' chances."""

    text: str
    chance: float


class Encoding:
    """A clip as Whisper's encoder has it.

    Args:
        model: Whisper.
        clip: float32 `[n]` at 16 kHz; what goes beyond 30 s is not heard.
        language: What is spoken.
        token: Code of the language's token.
        is_filled: Fill the clip up with silence to the 30 s that Whisper was trained on; otherwise with one second.
    """

    def __init__(
        self, model: WhisperModel, clip: np.ndarray, language: str, token: str, *, is_filled: bool = True
    ) -> None:
        from faster_whisper.audio import pad_or_trim
        from faster_whisper.tokenizer import Tokenizer

        self._model, self._is_spaced = model, language in _SPACED
        self._tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=token)
        longest = _SECONDS * _FRAMES_A_SECOND
        self._frames = min(longest, math.ceil(len(clip) / RATE * _FRAMES_A_SECOND))
        filled = longest if is_filled else min(longest, self._frames + _MARGIN_FRAMES + self._frames % 2)
        self._encoded = model.encode(pad_or_trim(model.feature_extractor(clip[: _SECONDS * RATE]), filled))

    def guesses(self, max_tokens: int) -> list[str]:
        """Sample what could be heard, three times, each at most so many tokens long."""
        return self._generate(max_tokens, sampling_topk=0, sampling_temperature=_TEMPERATURE, num_hypotheses=GUESSES)

    def likeliest(self, max_tokens: int) -> str:
        """Return what is heard by the likeliest token each time, at most so many."""
        (text,) = self._generate(max_tokens)
        return text

    def _generate(self, max_tokens: int, **options: float) -> list[str]:
        (found,) = self._model.model.generate(
            self._encoded,
            [[*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps]],
            beam_size=1,
            max_length=max_tokens,
            suppress_tokens=[-1],
            **options,
        )
        return [one_line(self._tokenizer.decode(tokens)) for tokens in found.sequences_ids]

    def words(self, text: str) -> list[Word]:
        """Read a transcript along with the sound."""
        tokens = self._tokenizer.encode(f" {text}" if self._is_spaced else text)
        if not tokens:
            return []
        (read,) = self._model.model.align(self._encoded, self._tokenizer.sot_sequence, [tokens], [self._frames])
        words: list[Word] = []
        for token, chance in zip(tokens, read.text_token_probs, strict=True):
            piece = self._tokenizer.decode([token])
            if not any(character.isalnum() or character == _UNKNOWN for character in piece):
                continue
            if words and self._is_spaced and not piece.startswith(" "):
                words[-1] = Word(words[-1].text + piece, words[-1].chance * chance)
            else:
                words.append(Word(piece, chance))
        return words
