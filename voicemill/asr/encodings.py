"""Clips as Whisper's encoder has them, and what its decoder makes of one.

Whisper's encoder hears thirty seconds, however short a clip is, and takes most of the time: nine tenths with the base
model on a CPU. So a clip is encoded once, and from that come its language, its transcript, what else could have been
heard, and how well a transcript fits the sound.

For the last the transcript is read along with the sound (teacher forcing): each of its tokens has the chance that the
decoder would give it at its place. A word that is not said has one of 0.0001 or less where right ones seldom fall below
0.01, whoever wrote the transcript.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from voicemill.asr.transcript import RATE
from voicemill.dataset.labels import LANGUAGES, one_line

if TYPE_CHECKING:
    from ctranslate2 import StorageView
    from ctranslate2.models import WhisperGenerationResult
    from faster_whisper import WhisperModel
    from faster_whisper.tokenizer import Tokenizer

GUESSES = 3
_TEMPERATURE = 0.6
_SECONDS = 30
# The encoder gives a frame each 20 ms, and alignment counts those of the spectrogram, two for each.
_FRAMES_A_SECOND = 100
_MARGIN_FRAMES = 100
# Three tokens a character at the fastest speech: a decoder that has lost its way stops there, not at 448 tokens.
_TOKENS_A_SECOND = 30
_MOST_TOKENS = 400
_SPACED = ("en", "ko")
_UNKNOWN = "\ufffd"


class Word(NamedTuple):
    """A word of a transcript (a token, where words are not spaced), and the product of its tokens' chances."""

    text: str
    chance: float


@dataclass(frozen=True)
class Encoding:
    """A clip as Whisper's encoder has it.

    Attributes:
        features_1TC: What the decoder attends to, in the processor's memory, in the form that the model computes in.
        frames: Frames of the spectrogram, of 10 ms, that the clip has.
    """

    features_1TC: np.ndarray
    frames: int

    @property
    def most_tokens(self) -> int:
        """How many tokens a transcript of it can have."""
        return min(_MOST_TOKENS, 20 + math.ceil(_TOKENS_A_SECOND * self.frames / _FRAMES_A_SECOND))


class Decoder:
    """Whisper, of clips that are encoded once.

    Args:
        model: Whisper.
    """

    def __init__(self, model: WhisperModel) -> None:
        self._model = model
        self._tokenizer_of = cache(self._make_tokenizer)

    def encode(self, clips: Sequence[np.ndarray], *, is_filled: bool = True) -> list[Encoding]:
        """Encode some clips together.

        Args:
            clips: float32 `[n]` each, at 16 kHz; what goes beyond 30 s is not heard.
            is_filled: Fill clips up with silence to the 30 s that Whisper was trained on; otherwise the longest gets
                one second of it, and the others as much as fills them to its length.

        Raises:
            RuntimeError: CTranslate2 could not compute, for want of memory for example.
        """
        from faster_whisper.audio import pad_or_trim

        longest = _SECONDS * _FRAMES_A_SECOND
        frames = [min(longest, math.ceil(len(clip) / RATE * _FRAMES_A_SECOND)) for clip in clips]
        most = max(frames)
        filled = longest if is_filled else min(longest, most + _MARGIN_FRAMES + most % 2)
        features = [self._model.feature_extractor(clip[: _SECONDS * RATE])[..., :-1] for clip in clips]
        stacked = np.stack([pad_or_trim(each, filled) for each in features])
        encoded = np.array(self._model.model.encode(_storage(stacked), to_cpu=True))
        return [Encoding(encoded[i : i + 1], each) for i, each in enumerate(frames)]

    def languages(self, encodings: Sequence[Encoding]) -> list[str]:
        """Return the likeliest language of each clip among those that voices are made for."""
        if not self._model.model.is_multilingual:
            return ["en"] * len(encodings)
        found = self._model.model.detect_language(_joined(encodings))
        likely: list[str] = []
        for each in found:
            chances = {token[2:-2]: chance for token, chance in each if token[2:-2] in LANGUAGES}
            likely.append(max(chances, key=lambda code: chances[code]))
        return likely

    def transcripts(
        self, encodings: Sequence[Encoding], languages: Sequence[str], no_repeat_ngram_size: int = 0
    ) -> list[tuple[str, float]]:
        """Return the best transcript of each clip, by a beam of five, and the geometric mean of its tokens' chances.

        Args:
            encodings: The clips.
            languages: What is spoken in each.
            no_repeat_ngram_size: Let no so many tokens come twice; 0 lets them.
        """
        from faster_whisper.transcribe import get_suppressed_tokens

        tokenizers = [self._tokenizer_of(language) for language in languages]
        prompt = len(tokenizers[0].sot_sequence) + 1
        found = self._generate(
            encodings,
            languages,
            prompt + max(each.most_tokens for each in encodings),
            suppress_tokens=get_suppressed_tokens(tokenizers[0], [-1]),  # pyright: ignore[reportArgumentType]
            return_scores=True,
            no_repeat_ngram_size=no_repeat_ngram_size,
        )
        heard: list[tuple[str, float]] = []
        for tokenizer, result in zip(tokenizers, found, strict=True):
            tokens = result.sequences_ids[0]
            text = one_line(tokenizer.decode(tokens))
            mean = result.scores[0] * len(tokens) / (len(tokens) + 1)
            heard.append((text, min(1.0, math.exp(mean)) if text else 0.0))
        return heard

    def guesses(self, encodings: Sequence[Encoding], languages: Sequence[str]) -> list[list[str]]:
        """Sample what could be heard in each clip, three times."""
        return self._texts(
            encodings,
            languages,
            beam_size=1,
            sampling_topk=0,
            sampling_temperature=_TEMPERATURE,
            num_hypotheses=GUESSES,
        )

    def likeliest(self, encoding: Encoding, language: str) -> str:
        """Return what is heard by the likeliest token each time."""
        ((text,),) = self._texts([encoding], [language], beam_size=1)
        return text

    def words(self, encoding: Encoding, language: str, text: str) -> list[Word]:
        """Read a transcript along with the sound."""
        tokenizer, is_spaced = self._tokenizer_of(language), language in _SPACED
        tokens = tokenizer.encode(f" {text}" if is_spaced else text)
        if not tokens:
            return []
        (read,) = self._model.model.align(_joined([encoding]), tokenizer.sot_sequence, [tokens], [encoding.frames])
        words: list[Word] = []
        for token, chance in zip(tokens, read.text_token_probs, strict=True):
            piece = tokenizer.decode([token])
            if not any(character.isalnum() or character == _UNKNOWN for character in piece):
                continue
            if words and is_spaced and not piece.startswith(" "):
                words[-1] = Word(words[-1].text + piece, words[-1].chance * chance)
            else:
                words.append(Word(piece, chance))
        return words

    def _texts(self, encodings: Sequence[Encoding], languages: Sequence[str], **options: Any) -> list[list[str]]:
        longest = max(each.most_tokens for each in encodings)
        found = self._generate(encodings, languages, longest, suppress_tokens=[-1], **options)
        return [
            [one_line(self._tokenizer_of(language).decode(tokens)) for tokens in result.sequences_ids]
            for language, result in zip(languages, found, strict=True)
        ]

    def _generate(
        self, encodings: Sequence[Encoding], languages: Sequence[str], max_length: int, **options: Any
    ) -> list[WhisperGenerationResult]:
        tokenizers = map(self._tokenizer_of, languages)
        prompts = [[*each.sot_sequence, each.no_timestamps] for each in tokenizers]
        return self._model.model.generate(_joined(encodings), prompts, max_length=max_length, **options)

    def _make_tokenizer(self, language: str) -> Tokenizer:
        from faster_whisper.tokenizer import Tokenizer

        # Only large-v3 has a token for Cantonese.
        known = self._model.hf_tokenizer.token_to_id(f"<|{language}|>") is not None
        token = language if known else {"yue": "zh"}.get(language, language)
        return Tokenizer(self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language=token)


def _joined(encodings: Sequence[Encoding]) -> StorageView:
    return _storage(np.concatenate([each.features_1TC for each in encodings]))


def _storage(values: np.ndarray) -> StorageView:
    from ctranslate2 import StorageView

    return StorageView.from_array(np.ascontiguousarray(values))
