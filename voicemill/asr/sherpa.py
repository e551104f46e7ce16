"""SenseVoice and Paraformer by sherpa-onnx, from the models that its project exports to ONNX, on the CPU.

SenseVoice (An et al. 2024, FunAudioLLM) knows all five languages; Paraformer (Gao et al. 2022) Mandarin with English
words in it. Neither says how sure it is, so no transcript of theirs is flagged
for its confidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from voicemill.asr.transcript import RATE, Transcript
from voicemill.core.errors import InputError, MissingModelError, UsageError
from voicemill.core.parallel import usable_cores
from voicemill.dataset.labels import LANGUAGES, one_line

_KNOWS = {"sensevoice": LANGUAGES, "paraformer": ("zh",)}
_MODELS = ("model.int8.onnx", "model.onnx")
_SILENT_PEAK = 1e-4
_MOST_THREADS = 4
_LANGUAGE = re.compile(r"<\|(\w+)\|>")


class SherpaRecognizer:
    """A model in sherpa-onnx's form.

    Args:
        name: "sensevoice" or "paraformer".
        folder: Folder with model.int8.onnx or model.onnx, and tokens.txt.
        language: Code of `voicemill.dataset.labels.LANGUAGES`, or "auto" to let SenseVoice find out for each clip.

    Raises:
        InputError: The folder does not hold such a model.
        MissingModelError: sherpa-onnx is not installed.
        UsageError: The model does not know the language.
    """

    trusted_above = 0.0

    def __init__(self, name: Literal["sensevoice", "paraformer"], folder: Path, language: str = "auto") -> None:
        if language != "auto" and language not in _KNOWS[name]:
            raise UsageError(f"{name} knows {', '.join(_KNOWS[name])} only, not {language}; use --backend whisper")
        model = next((folder / file for file in _MODELS if (folder / file).is_file()), None)
        tokens = folder / "tokens.txt"
        if model is None or not tokens.is_file():
            raise InputError(f"{folder} is not a model in sherpa-onnx's format: it needs model.onnx and tokens.txt")
        self.name = name
        self.language = language
        self._recognizer = _load(name, model, tokens, language)

    def transcribe(self, samples_16k: np.ndarray) -> Transcript:
        """Recognise one clip, float32 `[n]` at 16 kHz; silence is not given to the model."""
        if np.abs(samples_16k).max(initial=0.0) < _SILENT_PEAK:
            return Transcript("", LANGUAGES[0] if self.language == "auto" else self.language, 0.0)
        stream = self._recognizer.create_stream()
        stream.accept_waveform(RATE, np.ascontiguousarray(samples_16k, np.float32))
        self._recognizer.decode_stream(stream)
        return self._transcript(stream.result)

    def transcribe_all(self, clips_16k: Sequence[np.ndarray]) -> list[Transcript]:
        """Recognise several clips, one after the other: on a CPU a batch is not faster, and pads the shorter ones."""
        return [self.transcribe(clip) for clip in clips_16k]

    def _transcript(self, result: Any) -> Transcript:
        text = one_line(result.text)
        language = self.language
        if language == "auto":
            heard = _LANGUAGE.fullmatch(result.lang or "")
            language = heard[1] if heard and heard[1] in LANGUAGES else LANGUAGES[0]
        return Transcript(text, language, 1.0 if text else 0.0)


def _load(name: str, model: Path, tokens: Path, language: str) -> Any:
    try:
        from sherpa_onnx import OfflineRecognizer
    except ImportError as error:
        raise MissingModelError(f"{name} needs sherpa-onnx: pip install 'voicemill[sherpa]'") from error
    _check(name, model)
    common: dict[str, Any] = {"tokens": str(tokens), "num_threads": min(_MOST_THREADS, usable_cores())}
    try:
        if name == "paraformer":
            return OfflineRecognizer.from_paraformer(str(model), **common)
        return OfflineRecognizer.from_sense_voice(str(model), language=language, use_itn=True, **common)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{model} cannot be loaded as {name}: {error}") from error


def _check(name: str, model: Path) -> None:
    """Refuse what is not such a model: sherpa-onnx ends the whole process over it."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"{model} is not an ONNX model: {error}") from error
    about = session.get_modelmeta().custom_metadata_map
    wanted = {"lfr_window_size", "lfr_window_shift", "vocab_size", "neg_mean", "inv_stddev"}
    if name == "sensevoice":
        wanted |= {"lang_auto", *(f"lang_{code}" for code in LANGUAGES), "with_itn", "without_itn"}
    if missing := sorted(wanted - about.keys()):
        raise InputError(
            f"{model} is not {name} as sherpa-onnx exports it: its metadata lack {', '.join(missing)}; "
            f"get it with `voicemill models pull MODELS {name}`"
        )
