"""Lets voices, base weights and saved epochs speak, and measures what they said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.quality.listening import Listener
from benchmarks.quality.measures import Sentence, Summary
from benchmarks.quality.sources import Prompted
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.synthesis import Options, Reference, Speech
from voicemill.gpt_sovits.synthesis.speaker import AS_REFERENCE, Speaker
from voicemill.gpt_sovits.synthesis.synthesizer import Synthesizer
from voicemill.models import locate
from voicemill.models.layout import Version
from voicemill.synthesis.load import Pretrained
from voicemill.synthesis.marking import encode_speech
from voicemill.synthesis.options import options_of
from voicemill.synthesis.speaking import SpeakingVoice, load_voice, recite
from voicemill.voice import pronunciation

STEADY = Options(Sampling(top_k=1, repetition_penalty=1.0, num_beams=4), text_split="cut0")
"""How a small base is best understood, without a prompt: its few codes have to come again, and it has heard whole
sentences alone. Beams helped a worse token model than the one that is packed, and cost this one nothing."""


@dataclass(frozen=True)
class Bench:
    """What all voices of a comparison have in common.

    Attributes:
        models: Models folder.
        listener: Measures.
        lines: What is spoken, unless a list says it.
        seed: Of the first line.
        audio: Folder for what was said; each voice has one of its own in it.
        options: How to speak; None lets published voices speak as their voice.json says, and weights without one as
            GPT-SoVITS does.
        prompted: Whether weights resume from the words of their reference.
    """

    models: Path
    listener: Listener
    lines: Sequence[str]
    seed: int
    audio: Path
    options: Options | None = None
    prompted: bool = True

    @cached_property
    def pretrained(self) -> Pretrained:
        """The models before every voice, loaded once."""
        return Pretrained(self.models)

    @property
    def language(self) -> str:
        return self.listener.language

    def base(self, version: Version = "v2") -> Synthesizer:
        """Return the base weights of the models folder, which no speaker's recordings have touched."""
        return self.pretrained.synthesizer(
            locate(self.models, "sovits-g", version), locate(self.models, "gpt", version)
        )

    def voice(self, folder: Path) -> SpeakingVoice:
        """Return a published voice, reading as its training texts were read."""
        reading = pronunciation.load(self.models, trained=folder).reading
        return load_voice(folder, self.pretrained, reading=reading)

    def measure_voice(self, title: str, folder: Path) -> Summary:
        """Let a published voice speak all lines, as its voice.json says where nothing else was asked for.

        Args:
            title: Names it in tables, and its folder.
            folder: What publish made.

        Raises:
            InputError: The voice or a line cannot be used.
        """
        speaking = self.voice(folder)
        if self.options is not None:
            return self.measure(title, speaking.synthesizer, speaking.reference)
        generation = speaking.voice.generation
        prompt, options = generation.prompt(speaking.reference), options_of(generation)
        said = recite(speaking.synthesizer, prompt, self.lines, self.language, self.seed, options, generation.speed)
        return self._heard(title, said)

    def measure(self, title: str, synthesizer: Speaker, reference: Reference) -> Summary:
        """Let weights speak all lines and measure them.

        Args:
            title: Names it in tables, and its folder.
            synthesizer: Who speaks.
            reference: Whose voice.

        Raises:
            InputError: The reference or a line cannot be used.
        """
        reference = reference if self.prompted else replace(reference, text="")
        options = self.options or AS_REFERENCE
        return self._heard(title, recite(synthesizer, reference, self.lines, self.language, self.seed, options))

    def _heard(self, title: str, spoken: Sequence[Speech]) -> Summary:
        sentences, dropped = [], {}
        for number, (text, said) in enumerate(zip(self.lines, spoken, strict=True), start=1):
            name = f"{number:02d}"
            try:
                sentences.append(Sentence(name, text, self._write(title, name, text, said)))
            except InputError as error:
                dropped[name] = str(error)
        return self.listener.summarize(title, sentences, dropped)

    def measure_prompted(self, title: str, synthesizer: Speaker, rows: Sequence[Prompted]) -> list[Summary]:
        """Let it speak each line as the line's own prompt does, and measure it against that prompt.

        Returns:
            What was spoken, and the speakers' own recordings of the lines, if the list names some.
        """
        sentences, dropped = [], {}
        options = self.options or AS_REFERENCE
        for number, row in enumerate(rows):
            try:
                reference = Reference(row.prompt, row.prompt_text if self.prompted else "", self.language)
                seed = self.seed + number
                said = synthesizer.speak(row.text, self.language, reference, seed=seed, options=options)
                audio = self._write(title, row.name, row.text, said)
                sentences.append(Sentence(row.name, row.text, audio, row.prompt))
            except InputError as error:
                dropped[row.name] = str(error)
        summaries = [self.listener.summarize(title, sentences, dropped)]
        own = [Sentence(row.name, row.text, row.spoken, row.prompt) for row in rows if row.spoken]
        return [*([self.listener.summarize("recordings", own, of_speaker=True)] if own else []), *summaries]

    def _write(self, title: str, name: str, text: str, said: Speech) -> Path:
        if not np.isfinite(said.samples).all():
            raise InputError("synthesis produced NaN or Inf samples")
        folder = self.audio / "".join(letter if letter.isalnum() else "-" for letter in title)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.wav"
        path.write_bytes(encode_speech(said.pcm16(), said.rate, voice=title, text=text))
        return path
