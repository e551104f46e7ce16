"""English by pocketsphinx, whose model ships inside its package: true words where no Whisper weights can be had.

Measured by benchmarks/recognition.py; it gets one word in four wrong on read speech, and writes no punctuation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voicemill.asr.transcript import RATE, Transcript
from voicemill.core.errors import UsageError

# Speech that starts with the first sample costs its first word.
_MARGIN_SECONDS = 0.5
_PEAK = 0.5


class PocketsphinxRecognizer:
    """pocketsphinx with its US English model.

    Args:
        language: "en" or "auto".

    Raises:
        UsageError: Another language was asked for.
    """

    name = "pocketsphinx"
    trusted_above = 0.7

    def __init__(self, language: str = "en") -> None:
        if language not in ("en", "auto"):
            raise UsageError(f"pocketsphinx knows English only, not {language}; use --backend whisper")
        from pocketsphinx import Decoder

        self._decoder = Decoder(samprate=RATE, loglevel="FATAL")

    def transcribe(self, samples_16k: np.ndarray) -> Transcript:
        """Recognise one clip, float32 `[n]` at 16 kHz. Confidence is the words' mean posterior, by their length."""
        peak = np.abs(samples_16k).max(initial=0.0)
        if peak == 0:
            return Transcript("", "en", 0.0)
        margin = np.zeros(int(_MARGIN_SECONDS * RATE), np.float32)
        samples = np.concatenate([margin, samples_16k * (_PEAK / peak), margin])
        # Forgets the clips before, so that the order of clips changes nothing.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        # The whole clip at once: its mean is then taken off over all of it, and not as it comes.
        self._decoder.process_raw((samples * 32767).astype(np.int16).tobytes(), False, True)
        self._decoder.end_utt()
        heard = self._decoder.hyp()
        words = [part for part in self._decoder.seg() or () if not part.word.startswith(("<", "["))]
        if heard is None or not words:
            return Transcript("", "en", 0.0)
        frames = np.array([part.end_frame - part.start_frame + 1 for part in words])
        confidence = float(np.average([part.prob for part in words], weights=frames))
        return Transcript(heard.hypstr, "en", min(confidence, 1.0))

    def transcribe_all(self, clips_16k: Sequence[np.ndarray]) -> list[Transcript]:
        """Recognise several clips, one after the other."""
        return [self.transcribe(clip) for clip in clips_16k]
