"""Whisper by faster-whisper: 8-bit weights, several clips at a time, and silence kept away from it."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from voicemill.asr.cublas import load_cublas
from voicemill.asr.flags import loops
from voicemill.asr.rehearing import Encoding
from voicemill.asr.transcript import RATE, Rehearing, Transcript
from voicemill.core.errors import InputError, OutOfGpuMemory, UsageError
from voicemill.core.hardware import is_cuda_failure, use_gpu
from voicemill.core.logs import get_logger
from voicemill.dataset.labels import LANGUAGES, one_line

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment

log = get_logger(__name__)

# What CTranslate2 says where it has no kernels for a GPU: none at all, or none for the shapes of 8-bit weights, as on
# Blackwell (OpenNMT/CTranslate2 #1865).
_NO_KERNELS = ("no kernel image", "not_supported", "invalid device function", "cublas_status_arch_mismatch")
# Whisper hears 30 s at a time; each clip of a batch gets a slot of that length, so that its place tells whose it is.
_SLOT_SECONDS = 30
# At 6 GB of GPU memory eight clips with 8-bit weights take 4.5 GB.
_BATCH = 8
# Three tokens a character at the fastest speech: a decoder that has lost its way stops there, not at 448 tokens.
_TOKENS_A_SECOND = 30
_MOST_TOKENS = 400
_SEED = 1
"""Of what `hear_again` guesses."""


class WhisperRecognizer:
    """Whisper in CTranslate2's form.

    Args:
        folder: Folder with model.bin, config.json, tokenizer.json and vocabulary.
        language: Code of `voicemill.dataset.labels.LANGUAGES`, or "auto" to detect it for each clip.
        device: "cpu", "cuda" or "auto".
        is_toy: The weights mean nothing, so no transcript is trusted.

    Raises:
        InputError: The folder does not hold a model.
        UsageError: "cuda" was asked for and cuBLAS of CUDA 12 is missing.
    """

    name = "whisper"

    def __init__(self, folder: Path, language: str = "auto", device: str = "auto", *, is_toy: bool = False) -> None:
        import ctranslate2
        from faster_whisper import BatchedInferencePipeline

        if device == "auto":
            device = "cuda" if use_gpu(bool(ctranslate2.get_cuda_device_count())) else "cpu"
            if device == "cuda" and not load_cublas():
                log.warning("Whisper runs on the CPU: for the GPU it needs cuBLAS 12, pip install 'voicemill[cuda12]'")
                device = "cpu"
        elif device == "cuda" and not load_cublas():
            raise UsageError("Whisper on a GPU needs cuBLAS 12: pip install 'voicemill[cuda12]'")
        # A toy's weights are made by hand and too large for the sums of processors without VNNI.
        self._model = _load(folder, device, ["float32"] if is_toy else _compute_types(device))
        # Takes effect where a thread draws for the first time.
        ctranslate2.set_random_seed(_SEED)
        self._batched = BatchedInferencePipeline(self._model)
        self.language = language
        self.trusted_above = 2.0 if is_toy else 0.55

    def of(self, language: str) -> WhisperRecognizer:
        """Return a recogniser of the same model for another language, or "auto"."""
        other = copy.copy(self)
        other.language = language
        return other

    def transcribe(self, samples_16k: np.ndarray) -> Transcript:
        """Recognise one clip, float32 `[n]` at 16 kHz; confidence is the geometric mean of the tokens' chances."""
        return self.transcribe_all([samples_16k])[0]

    def transcribe_all(self, clips_16k: Sequence[np.ndarray]) -> list[Transcript]:
        """Recognise several clips, eight at a time; one without speech in it is not given to the model."""
        languages = [self._language_of(clip) if _has_speech(clip) else None for clip in clips_16k]
        silent = Transcript("", LANGUAGES[0] if self.language == "auto" else self.language, 0.0)
        results = [silent] * len(clips_16k)
        for language in sorted({language for language in languages if language}):
            mine = [i for i, found in enumerate(languages) if found == language]
            for i, transcript in zip(mine, self._in(language, [clips_16k[i] for i in mine], _BATCH), strict=True):
                results[i] = transcript
        return results

    def hear_again(
        self, clips_16k: Sequence[np.ndarray], languages: Sequence[str], texts: Sequence[str]
    ) -> list[Rehearing]:
        """Guess what else could have been heard in some clips, and tell how well their transcripts fit.

        Three transcripts of each are sampled at a temperature of 0.6: words that the model is sure of come again, the
        others differ. Takes about as long as `transcribe_all`. The same clips in the same order give the same guesses
        in each process.

        Args:
            clips_16k: float32 `[n]` each, at 16 kHz.
            languages: What is spoken in each.
            texts: The transcript of each.
        """
        found = []
        for clip, language, text in zip(clips_16k, languages, texts, strict=True):
            encoding = self.encode(clip, language)
            least = min((word.chance for word in encoding.words(text)), default=None)
            found.append(Rehearing(encoding.guesses(_most_tokens(len(clip) / RATE)), least))
        return found

    def glance(self, clip_16k: np.ndarray) -> str:
        """Return the words of one clip, heard several times as fast as by `transcribe`, and less surely.

        The clip is not filled up with silence to the 30 s that Whisper was trained on, so that the encoder has as
        much to do as there is to hear, and the likeliest token is taken. Now and then this loses its way where
        `transcribe` does not, so that it can confirm what was expected, and refute nothing.

        Args:
            clip_16k: float32 `[n]` at 16 kHz.
        """
        token = self._token_language(language := self._language_of(clip_16k))
        encoding = Encoding(self._model, clip_16k, language, token, is_filled=False)
        return encoding.likeliest(_most_tokens(len(clip_16k) / RATE))

    def encode(self, clip_16k: np.ndarray, language: str) -> Encoding:
        """Return a clip in which a language is spoken as the encoder has it."""
        return Encoding(self._model, clip_16k, language, self._token_language(language))

    def _language_of(self, clip: np.ndarray) -> str:
        if self.language != "auto":
            return self.language
        if not self._model.model.is_multilingual:
            return "en"
        _, _, probabilities = self._model.detect_language(audio=clip)
        known = {code: probability for code, probability in probabilities if code in LANGUAGES}
        return max(known, key=lambda code: known[code])

    def _in(self, language: str, clips: list[np.ndarray], batch: int) -> list[Transcript]:
        try:
            return [
                transcript
                for start in range(0, len(clips), batch)
                for transcript in self._batch(language, clips[start : start + batch])
            ]
        except RuntimeError as error:
            if "out of memory" not in str(error).lower():
                raise
            if batch == 1:
                raise OutOfGpuMemory(
                    "out of GPU memory: Whisper and one clip do not fit; use a smaller Whisper model or the CPU"
                ) from error
        return self._in(language, clips, batch // 2)

    def _batch(self, language: str, clips: list[np.ndarray]) -> list[Transcript]:
        transcripts = self._decode(language, clips)
        lost = [i for i, transcript in enumerate(transcripts) if loops(transcript.text, language)]
        if lost:
            again = self._decode(language, [clips[i] for i in lost], no_repeat_ngram_size=3)
            for i, transcript in zip(lost, again, strict=True):
                transcripts[i] = transcript
        return transcripts

    def _decode(self, language: str, clips: list[np.ndarray], no_repeat_ngram_size: int = 0) -> list[Transcript]:
        slot = _SLOT_SECONDS * RATE
        audio = np.zeros(len(clips) * slot, np.float32)
        spans = []
        for i, clip in enumerate(clips):
            kept = clip[:slot]
            audio[i * slot : i * slot + len(kept)] = kept
            spans.append({"start": i * _SLOT_SECONDS, "end": i * _SLOT_SECONDS + len(kept) / RATE})
        longest = max(span["end"] - span["start"] for span in spans)
        segments, _ = self._batched.transcribe(
            audio,
            language=self._token_language(language),
            clip_timestamps=spans,
            batch_size=len(clips),
            max_new_tokens=_most_tokens(longest),
            no_repeat_ngram_size=no_repeat_ngram_size,
        )
        heard: list[list[Segment]] = [[] for _ in clips]
        for segment in segments:
            heard[int(segment.start // _SLOT_SECONDS)].append(segment)
        return [_joined(parts, language) for parts in heard]

    def _token_language(self, language: str) -> str:
        # Only large-v3 has a token for Cantonese.
        known = self._model.hf_tokenizer.token_to_id(f"<|{language}|>") is not None
        return language if known else {"yue": "zh"}.get(language, language)


def _most_tokens(seconds: float) -> int:
    return min(_MOST_TOKENS, 20 + math.ceil(_TOKENS_A_SECOND * seconds))


def _compute_types(device: str) -> list[str]:
    """Return the forms of weights to try on a device, the best first."""
    import ctranslate2

    if device == "cpu":
        return ["int8"]
    supported = ctranslate2.get_supported_compute_types(device)
    # "int8" alone would compute in float32 on a GPU.
    return [form for form in ("int8_float16", "float16", "float32") if form in supported] or ["default"]


def _load(folder: Path, device: str, forms: Sequence[str]) -> WhisperModel:
    """Load the model in the first form that runs on the device, and on the CPU where none does.

    Raises:
        InputError: The folder does not hold a model.
    """
    from faster_whisper import WhisperModel

    for form in forms:
        try:
            model = WhisperModel(str(folder), device=device, compute_type=form, local_files_only=True)
        except (RuntimeError, ValueError, OSError) as error:
            if device != "cpu" and _lacks_kernels(error):
                continue
            if is_cuda_failure(error):
                raise
            raise InputError(f"{folder} is not a Whisper model in CTranslate2 format: {error}") from error
        if device == "cpu" or _runs(model):
            if form != forms[0]:
                log.warning("CTranslate2 cannot compute in %s on this GPU: Whisper runs in %s", forms[0], form)
            return model
    log.warning("CTranslate2 has no kernels for this GPU (tried %s): Whisper runs on the CPU", ", ".join(forms))
    return _load(folder, "cpu", _compute_types("cpu"))


def _runs(model: WhisperModel) -> bool:
    """Return whether encoder and decoder run, on a second of silence."""
    try:
        encoded = model.encode(model.feature_extractor(np.zeros(RATE, np.float32)))
        model.model.generate(encoded, [[model.hf_tokenizer.token_to_id("<|startoftranscript|>")]], max_length=4)
    except RuntimeError as error:
        if _lacks_kernels(error):
            return False
        raise
    return True


def _lacks_kernels(error: Exception) -> bool:
    return any(sign in str(error).lower() for sign in _NO_KERNELS)


def _joined(parts: Sequence[Segment], language: str) -> Transcript:
    text = one_line("".join(part.text for part in parts))
    tokens = [len(part.tokens) + 1 for part in parts]
    log_probability = np.average([part.avg_logprob for part in parts], weights=tokens) if parts else -math.inf
    return Transcript(text, language, min(1.0, math.exp(log_probability)) if text else 0.0)


def _has_speech(clip: np.ndarray) -> bool:
    """Return whether Silero's voice activity detector, which faster-whisper brings, hears any speech."""
    from faster_whisper.vad import get_speech_timestamps

    peak = np.abs(clip).max(initial=0.0)
    return peak > 0 and bool(get_speech_timestamps(clip * (0.5 / peak)))
