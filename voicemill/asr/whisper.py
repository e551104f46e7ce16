"""Whisper by faster-whisper: 8-bit weights, several clips at a time, and silence kept away from it."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from voicemill.asr.cublas import load_cublas
from voicemill.asr.encodings import Decoder, Encoding, Word
from voicemill.asr.flags import loops
from voicemill.asr.transcript import RATE, Rehearing, Transcript
from voicemill.core.errors import InputError, OutOfGpuMemory, UsageError
from voicemill.core.hardware import is_cuda_failure, use_gpu
from voicemill.core.logs import get_logger
from voicemill.dataset.labels import LANGUAGES

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

Item = TypeVar("Item")
Found = TypeVar("Found")

log = get_logger(__name__)

# What CTranslate2 says where it has no kernels for a GPU: none at all, or none for the shapes of 8-bit weights, as on
# Blackwell (OpenNMT/CTranslate2 #1865).
_NO_KERNELS = ("no kernel image", "not_supported", "invalid device function", "cublas_status_arch_mismatch")
# At 6 GB of GPU memory eight clips with 8-bit weights take 4.5 GB.
_BATCH = 8
_RECENT = 16
"""How many clips' encodings are kept: of the large model they take 8 MB each."""
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
        self._decoder = Decoder(self._model)
        self._recent: dict[bytes, Encoding] = {}
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
        silent = Transcript("", LANGUAGES[0] if self.language == "auto" else self.language, 0.0)
        results = [silent] * len(clips_16k)
        speaking = [i for i, clip in enumerate(clips_16k) if _has_speech(clip)]
        for i, transcript in zip(speaking, _batches(self._transcribe, [clips_16k[i] for i in speaking]), strict=True):
            results[i] = transcript
        return results

    def hear_again(
        self, clips_16k: Sequence[np.ndarray], languages: Sequence[str], texts: Sequence[str]
    ) -> list[Rehearing]:
        """Guess what else could have been heard in some clips, and tell how well their transcripts fit.

        Three transcripts of each are sampled at a temperature of 0.6: words that the model is sure of come again, the
        others differ. Clips that `transcribe_all` was given last are not encoded again, which takes most of the time.
        The same clips in the same order give the same guesses in each process.

        Args:
            clips_16k: float32 `[n]` each, at 16 kHz.
            languages: What is spoken in each.
            texts: The transcript of each.
        """
        return _batches(self._hear_again, list(zip(clips_16k, languages, texts, strict=True)))

    def glance(self, clip_16k: np.ndarray) -> str:
        """Return the words of one clip, heard several times as fast as by `transcribe`, and less surely.

        The clip is not filled up with silence to the 30 s that Whisper was trained on, so that the encoder has as
        much to do as there is to hear, and the likeliest token is taken. Now and then this loses its way where
        `transcribe` does not, so that it can confirm what was expected, and refute nothing.

        Args:
            clip_16k: float32 `[n]` at 16 kHz.
        """
        (language,) = self._languages(self._encoded([clip_16k])) if self.language == "auto" else [self.language]
        (encoding,) = self._decoder.encode([clip_16k], is_filled=False)
        return self._decoder.likeliest(encoding, language)

    def words(self, clip_16k: np.ndarray, language: str, text: str) -> list[Word]:
        """Return the words of a transcript of a clip, `[n]` at 16 kHz, with the chance that the model gives each."""
        (encoding,) = self._encoded([clip_16k])
        return self._decoder.words(encoding, language, text)

    def _transcribe(self, clips: Sequence[np.ndarray]) -> list[Transcript]:
        encodings = self._encoded(clips)
        languages = self._languages(encodings)
        heard = self._decoder.transcripts(encodings, languages)
        lost = [
            i for i, ((text, _), language) in enumerate(zip(heard, languages, strict=True)) if loops(text, language)
        ]
        if lost:
            those, theirs = [encodings[i] for i in lost], [languages[i] for i in lost]
            again = self._decoder.transcripts(those, theirs, no_repeat_ngram_size=3)
            for i, found in zip(lost, again, strict=True):
                heard[i] = found
        return [
            Transcript(text, language, confidence)
            for (text, confidence), language in zip(heard, languages, strict=True)
        ]

    def _hear_again(self, rows: Sequence[tuple[np.ndarray, str, str]]) -> list[Rehearing]:
        clips, languages, texts = zip(*rows, strict=True)
        encodings = self._encoded(clips)
        found = []
        guesses = self._decoder.guesses(encodings, languages)
        for encoding, language, text, others in zip(encodings, languages, texts, guesses, strict=True):
            words = self._decoder.words(encoding, language, text)
            found.append(Rehearing(others, min((word.chance for word in words), default=None)))
        return found

    def _languages(self, encodings: Sequence[Encoding]) -> list[str]:
        if self.language != "auto":
            return [self.language] * len(encodings)
        return self._decoder.languages(encodings)

    def _encoded(self, clips: Sequence[np.ndarray]) -> list[Encoding]:
        """Encode some clips, but for those that were encoded last."""
        keys = [hashlib.sha256(clip.tobytes()).digest() for clip in clips]
        known = {key: self._recent[key] for key in keys if key in self._recent}
        new = {key: clip for key, clip in zip(keys, clips, strict=True) if key not in known}
        if new:
            known |= zip(new, self._decoder.encode(list(new.values())), strict=True)
            self._recent = dict([*self._recent.items(), *known.items()][-_RECENT:])
        return [known[key] for key in keys]


def _batches(work: Callable[[Sequence[Item]], list[Found]], items: Sequence[Item], size: int = _BATCH) -> list[Found]:
    """Work on so many items at a time, and on half as many each time the GPU's memory runs out.

    Raises:
        OutOfGpuMemory: One item does not fit.
    """
    try:
        return [found for start in range(0, len(items), size) for found in work(items[start : start + size])]
    except RuntimeError as error:
        if "out of memory" not in str(error).lower():
            raise
        if size == 1:
            raise OutOfGpuMemory(
                "out of GPU memory: Whisper and one clip do not fit; use a smaller Whisper model or the CPU"
            ) from error
    return _batches(work, items, size // 2)


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


def _has_speech(clip: np.ndarray) -> bool:
    """Return whether Silero's voice activity detector, which faster-whisper brings, hears any speech."""
    from faster_whisper.vad import get_speech_timestamps

    peak = np.abs(clip).max(initial=0.0)
    return peak > 0 and bool(get_speech_timestamps(clip * (0.5 / peak)))
