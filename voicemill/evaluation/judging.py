"""Listens to spoken lines: words, speaker, pace and sound of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from voicemill.gpt_sovits.synthesis import Options, Reference
from voicemill.gpt_sovits.synthesis.waveform import pcm16
from voicemill.synthesis.marking import encode_speech
from voicemill.synthesis.verification.measures import Asked, Sound, examine
from voicemill.synthesis.verification.rules import RULES
from voicemill.text import scoring


class SpokenLine(Protocol):
    """A line that was spoken; see `voicemill.gpt_sovits.synthesis.Speech`."""

    @property
    def samples(self) -> np.ndarray: ...
    @property
    def rate(self) -> int: ...
    @property
    def report(self) -> Mapping[str, Any]: ...


def asked_by(reference: Reference, language: str, options: Options, speed: float) -> Asked:
    """Return what lines have in common that a voice speaks: what must not leak into them, speed and pause.

    Args:
        reference: The clip that is imitated, its text as the voice is given it.
        language: Of the lines.
        options: How they are spoken.
        speed: 2 is twice as fast.
    """
    said = reference.text if reference.language.lower() == language.lower() else ""
    return Asked("", language, said, speed=speed, pause=options.pause_seconds)


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
        manner: Asked | None = None,
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
            manner: What they have in common beside their text: what is said in the reference clip, speed and pause.
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
        manner = manner or Asked("", self.language)
        for number, (line, sound, transcript) in enumerate(zip(asked, spoken, heard, strict=True), start=1):
            file = audio / f"{name}_{number}.wav"
            content = encode_speech(pcm16(sound.samples), sound.rate, voice=f"{sovits}+{gpt}", text=line)
            file.write_bytes(content)
            rows.append(
                {**self._row(replace(manner, text=line), sound, transcript), "audio": f"{audio.name}/{file.name}"}
            )
        return summed(sovits, gpt, rows, self.speaker.pace, reference=reference)

    def _row(self, asked: Asked, sound: SpokenLine, transcript: Transcript) -> dict[str, Any]:
        found = scoring.score(asked.text, transcript.text, self.language)
        samples, rate = sound.samples, sound.rate
        rules, cut_off = RULES[self.recogniser.name], sound.report["cut_off"]
        finding = examine(asked, transcript.text, Sound.of(samples, rate), rules, cut_off=cut_off)
        second = self.speaker.second
        return {
            "text": asked.text,
            "heard": transcript.text,
            "causes": [str(cause) for cause in finding.causes],
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
