"""Which recogniser is used."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from voicemill.asr.transcript import Recognizer
from voicemill.core.errors import MissingModelError
from voicemill.core.logs import get_logger
from voicemill.models import locate, record
from voicemill.models.layout import place

log = get_logger(__name__)

Backend = Literal["auto", "whisper", "sensevoice", "paraformer", "pocketsphinx"]


def recognizer(backend: str, models_dir: Path | str, language: str = "auto", device: str = "auto") -> Recognizer:
    """Return a recogniser for clips of a language.

    "auto" takes the first of these that can be had:

    1. Whisper, where the models folder has real weights.
    2. SenseVoice, and Paraformer for Mandarin, where the models folder has them.
    3. pocketsphinx for English, and where the language is not given: it hears true words, a toy Whisper none.
    4. The toy Whisper for the other languages. What it writes means nothing, and every transcript is flagged.

    Args:
        backend: "auto", "whisper", "sensevoice", "paraformer" or "pocketsphinx".
        models_dir: Models folder.
        language: Code of `voicemill.dataset.labels.LANGUAGES`, or "auto".
        device: "cpu", "cuda" or "auto"; pocketsphinx always takes the CPU.

    Raises:
        MissingModelError: No model is there, and no recogniser that needs none knows the language.
        UsageError: A recogniser was asked for a language that it does not know.
    """
    from voicemill.asr.pocketsphinx import PocketsphinxRecognizer

    if backend == "pocketsphinx":
        return PocketsphinxRecognizer(language)
    real = with_weights(models_dir, language) if backend == "auto" else None
    if backend == "auto" and real is None and language in ("en", "auto"):
        assumed = " and assumes English speech" if language == "auto" else ""
        log.warning("no Whisper weights in %s: falling back to pocketsphinx%s", models_dir, assumed)
        return PocketsphinxRecognizer(language)
    name = real or backend
    if name == "sensevoice" or name == "paraformer":
        from voicemill.asr.sherpa import SherpaRecognizer

        return SherpaRecognizer(name, locate(models_dir, name), language)

    from voicemill.asr.whisper import WhisperRecognizer

    is_toy = _is_toy(Path(models_dir))
    if is_toy:
        log.warning("the Whisper model in %s is a toy: its transcripts are meaningless", models_dir)
    return WhisperRecognizer(locate(models_dir, "whisper"), language, device, is_toy=is_toy)


def with_weights(
    models_dir: Path | str, language: str = "auto"
) -> Literal["whisper", "sensevoice", "paraformer"] | None:
    """Return the best recogniser of which the models folder has real weights; None where it has none.

    Args:
        models_dir: Models folder.
        language: Code of `voicemill.dataset.labels.LANGUAGES`, or "auto".
    """
    if _has(models_dir, "whisper") and not _is_toy(Path(models_dir)):
        return "whisper"
    if _has(models_dir, "sensevoice"):
        return "sensevoice"
    return "paraformer" if language == "zh" and _has(models_dir, "paraformer") else None


def _has(models_dir: Path | str, name: str) -> bool:
    try:
        locate(models_dir, name)
    except MissingModelError:
        return False
    return True


def has_whisper(models_dir: Path | str) -> bool:
    """Return whether a models folder has a Whisper whose words mean something."""
    return _has(models_dir, "whisper") and not _is_toy(Path(models_dir))


def _is_toy(models_dir: Path) -> bool:
    """Return whether the Whisper in the folder is the one that `voicemill models toy` made."""
    path = f"{place('whisper')}/model.bin"
    entry = record.read(models_dir).get(path)
    if entry is None or not entry.is_toy:
        return False
    try:
        weights = locate(models_dir, "whisper") / "model.bin"
    except MissingModelError:
        return False
    # Real weights may have been put in the toy's place.
    return weights.is_file() and weights.stat().st_size == entry.size
