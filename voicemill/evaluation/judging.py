"""Listens to spoken lines: words, speaker, pace and sound of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from voicemill.asr import Recognizer, Transcript
from voicemill.asr.transcript import RATE as ASR_RATE
from voicemill.audio import quality, speech
from voicemill.audio.resampling import resample
from voicemill.core.errors import InputError
from voicemill.evaluation.metrics import Measure, summed
from voicemill.evaluation.speaker import Speaker
from voicemill.gpt_sovits.synthesis.waveform import pcm16
from voicemill.synthesis.marking import encode_speech
from voicemill.text import scoring


class SpokenLine(Protocol):
    """A line that was spoken; see `voicemill.gpt_sovits.synthesis.Speech`."""

    @property
    def samples(self) -> np.ndarray: ...
    @property
    def rate(self) -> int: ...


@dataclass(frozen=True)
class Judge:
    """Listens to spoken lines.

    Attributes:
        recogniser: Hears the words.
        speaker: Who should be heard.
        language: Language of the lines.
    """

    recogniser: Recognizer
    speaker: Speaker
    language: str

    def measure(
        self,
        sovits: str,
        gpt: str,
        asked: Sequence[str],
        spoken: Sequence[SpokenLine],
        audio: Path,
        *,
        reference: str = "",
        name: str = "",
    ) -> Measure:
        """Measure what a pair of checkpoints said, and keep it.

        Args:
            sovits: File name of the acoustic model.
            gpt: File name of the token model.
            asked: The lines.
            spoken: The same lines, spoken.
            audio: Folder for the sound.
            reference: File name of the clip that was imitated.
            name: Beginning of the sound files' names; those of the pair by default.

        Raises:
            InputError: if the synthesized samples contain NaN or Inf.
        """
        if not all(np.isfinite(one.samples).all() for one in spoken):
            raise InputError("synthesis produced NaN or Inf samples: training diverged; lower the learning rate")
        heard = self.recogniser.transcribe_all([resample(one.samples, one.rate, ASR_RATE) for one in spoken])
        name = name or f"{Path(sovits).stem}+{Path(gpt).stem}"
        rows = []
        for number, (line, sound, transcript) in enumerate(zip(asked, spoken, heard, strict=True), start=1):
            file = audio / f"{name}_{number}.wav"
            content = encode_speech(pcm16(sound.samples), sound.rate, voice=f"{sovits}+{gpt}", text=line)
            file.write_bytes(content)
            rows.append({**self._row(line, sound, transcript), "audio": f"{audio.name}/{file.name}"})
        return summed(sovits, gpt, rows, self.speaker.pace, reference=reference)

    def _row(self, line: str, sound: SpokenLine, transcript: Transcript) -> dict[str, Any]:
        found = scoring.score(line, transcript.text, self.language)
        samples, rate = sound.samples, sound.rate
        second = self.speaker.second
        return {
            "text": line,
            "heard": transcript.text,
            "errors": found.words.errors,
            "words": found.words.length,
            "error_rate": round(found.words.rate, 4),
            "wrong_phones": found.phones.errors,
            "phones": found.phones.length,
            "phone_error_rate": round(found.phones.rate, 4),
            "longest_run": found.words.longest_run,
            "missing_at_start": found.words.missing_at_start,
            "missing_at_end": found.words.missing_at_end,
            "added_at_end": found.words.added_at_end,
            "similarity": round(self.speaker.likeness.similarity(samples, rate), 4),
            "second_similarity": round(second.similarity(samples, rate), 4) if second else None,
            "ovrl": quality.measure(samples, rate).ovrl,
            "spoken_seconds": round(speech.spoken_seconds(samples, rate), 3),
            "seconds": round(len(samples) / rate, 3),
        }
