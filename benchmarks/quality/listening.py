"""Measures recordings, sentence by sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.quality.measures import Heard, Sentence, Summary
from voicemill.asr import Recognizer, Transcript
from voicemill.asr.transcript import RATE
from voicemill.audio import quality, reading, speech
from voicemill.audio.resampling import resample
from voicemill.contract import progress
from voicemill.core.errors import InputError
from voicemill.evaluation.speaker_similarity import SpeakerLikeness, embed
from voicemill.text.scoring import score

_AT_ONCE = 16


@dataclass(frozen=True)
class Listener:
    """Measures recordings.

    Attributes:
        recogniser: Hears the words.
        language: Language of the sentences.
        speaker: Who should be heard; None where each sentence has a prompt of its own.
        others: Who should not, by name.
        also: A second recogniser, whose word errors stand beside.
    """

    recogniser: Recognizer
    language: str
    speaker: SpeakerLikeness | None
    others: Mapping[str, SpeakerLikeness]
    also: Recognizer | None = None

    def summarize(
        self,
        title: str,
        sentences: Sequence[Sentence],
        dropped: Mapping[str, str] | None = None,
        *,
        of_speaker: bool = False,
    ) -> Summary:
        """Measure sentences; one that cannot be measured is dropped with the reason.

        Args:
            title: What they are.
            sentences: Each with its recording.
            dropped: Sentences that were lost before, with the reason.
            of_speaker: Whether a person says them.
        """
        heard: list[Heard] = []
        lost = dict(dropped or {})
        batches = [sentences[start : start + _AT_ONCE] for start in range(0, len(sentences), _AT_ONCE)]
        for batch in progress(batches, f"listening to {title}"):
            sounds: dict[Sentence, tuple[np.ndarray, int]] = {}
            for sentence in batch:
                try:
                    sounds[sentence] = _sound(sentence)
                except InputError as error:
                    lost[sentence.name] = str(error)
            steady = [resample(samples, rate, RATE) for samples, rate in sounds.values()]
            transcripts = self.recogniser.transcribe_all(steady)
            seconds = self.also.transcribe_all(steady) if self.also else [None] * len(steady)
            rows = zip(sounds.items(), transcripts, seconds, strict=True)
            for (sentence, (samples, rate)), transcript, second in rows:
                try:
                    heard.append(self._measured(sentence, samples, rate, transcript, second))
                except InputError as error:
                    lost[sentence.name] = str(error)
        return Summary(title, heard, lost, of_speaker)

    def _measured(
        self, sentence: Sentence, samples: np.ndarray, rate: int, transcript: Transcript, second: Transcript | None
    ) -> Heard:
        speaker = SpeakerLikeness([sentence.prompt]) if sentence.prompt else self.speaker
        assert speaker, "a sentence without a prompt of its own needs a speaker to be compared with"
        voice = embed(samples, rate)
        opinion = quality.measure(samples, rate)
        seconds = speech.spoken_seconds(samples, rate)
        words = wrong_phones = None
        also = {}
        if sentence.text is not None and second and self.also:
            also = {self.also.name: score(sentence.text, second.text, self.language).words}
        if sentence.text is not None:
            found = score(sentence.text, transcript.text, self.language)
            words, wrong_phones = found.words, found.phones
        return Heard(
            sentence.name,
            sentence.text,
            transcript.text,
            words,
            wrong_phones,
            round(speaker.of_embedding(voice, besides=sentence.audio), 4),
            {name: round(other.of_embedding(voice), 4) for name, other in self.others.items()},
            opinion.sig,
            opinion.bak,
            opinion.ovrl,
            round(seconds, 3) if seconds else None,
            sentence.audio,
            also,
        )


def _sound(sentence: Sentence) -> tuple[np.ndarray, int]:
    audio = reading.read(sentence.audio)
    samples, _ = reading.to_mono(audio.samples)
    return samples, audio.rate
