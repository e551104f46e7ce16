"""Speaks: text to fragments, fragments to tokens (many at once), tokens to sound, fragments to lines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from voicemill.core.errors import UsageError
from voicemill.gpt_sovits.gpt.batch import speak
from voicemill.gpt_sovits.gpt.choosing import TokenDecoder
from voicemill.gpt_sovits.gpt.lines import MAX_TOKENS, Line
from voicemill.gpt_sovits.synthesis import waveform
from voicemill.gpt_sovits.synthesis.fragments import BertFeatures, batches, fragments, unpronounced
from voicemill.gpt_sovits.synthesis.parts import Part, Word, line_times, report_of, token_limit
from voicemill.gpt_sovits.synthesis.reference import Reference, said_in
from voicemill.gpt_sovits.synthesis.script import Mark, Options, Prompt, Quirks, Script, Speech
from voicemill.gpt_sovits.synthesis.sound import Sound
from voicemill.gpt_sovits.versions import spec
from voicemill.text import BY_DICTIONARIES, Reading

AS_REFERENCE = Options()
RATE_OF_REFERENCE = 32_000
"""What the reference counts pauses in, in Hz."""


class Speaker(ABC):
    """Who speaks, whatever the models run by.

    Attributes:
        decoder: Text to tokens.
        sound: Tokens to sound.
        bert: BERT rows of Mandarin text.
        quirks: For comparisons with the reference.
        reading: The user's own pronunciations, and who reads polyphones.
        mark: Marks every fragment that is spoken as generated; None leaves them unmarked.
    """

    decoder: TokenDecoder
    sound: Sound
    bert: BertFeatures
    quirks: Quirks = Quirks()
    reading: Reading = BY_DICTIONARIES
    mark: Mark | None = None

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the models."""

    @abstractmethod
    def heard(self, reference: Reference, *, has_words: bool) -> np.ndarray | None:
        """Return the tokens of a reference's recording, int64 `[T]`; None where it has no words.

        Raises:
            InputError: When it cannot be read, or is not 3 to 10 seconds long.
        """

    def prepare(self, reference: Reference) -> Prompt:
        """Read a reference.

        Raises:
            InputError: When it cannot be read, is not 3 to 10 seconds long, or its text cannot be pronounced.
        """
        fragment = said_in(reference, self.version, self.bert, self.reading, as_reference=self.quirks.read_as_reference)
        tokens = self.heard(reference, has_words=fragment is not None)
        return Prompt(tokens, fragment, self.sound.voice(reference, tokens, fragment))

    def script(
        self, text: str, language: str, *, text_split: str = "cut5", speed: float = 1.0, seed: int = 0
    ) -> Script:
        """Make a line ready.

        Raises:
            InputError: When there is nothing to say, or nothing that can be said.
        """
        spoken = fragments(
            text,
            language,
            text_split,
            self.version,
            self.bert,
            as_reference=self.quirks.read_as_reference,
            reading=self.reading,
        )
        return Script(spoken, speed, seed, unpronounced(text, spoken), text)

    def speak(
        self,
        text: str,
        language: str,
        reference: Reference | Prompt,
        *,
        speed: float = 1.0,
        seed: int = 0,
        options: Options = AS_REFERENCE,
    ) -> Speech:
        """Speak one line.

        Args:
            text: What to say.
            language: Its language, or `auto`.
            reference: Whose voice; one that `prepare` has read saves reading it again.
            speed: 2 is twice as fast.
            seed: Another seed speaks it another way; the same seed speaks it the same way.
            options: How.

        Raises:
            InputError: When the text or the reference cannot be used.
        """
        prompt = reference if isinstance(reference, Prompt) else self.prepare(reference)
        script = self.script(text, language, text_split=options.text_split, speed=speed, seed=seed)
        return self.perform([script], prompt, options)[0]

    def perform(self, scripts: Sequence[Script], prompt: Prompt, options: Options = AS_REFERENCE) -> list[Speech]:
        """Speak lines, their fragments together in batches; a line does not depend on the lines beside it."""
        parts = [
            Part(line, index, fragment, script)
            for line, script in enumerate(scripts)
            for index, fragment in enumerate(script.fragments)
        ]
        together = self.quirks.decode_together and all(script.speed == 1 for script in scripts)
        if together:
            # In v3 and v4 the reference takes fragments as they come.
            sort = not spec(self.version).mel
            for group in batches([len(part.fragment.norm_text) for part in parts], options.batch_size, sort=sort):
                members = [parts[index] for index in group]
                self._speak_tokens(members, prompt, options)
                self.sound.decode([members], prompt, options)
        else:
            # The longest first: what is still spoken when nothing waits any more is short.
            self._speak_tokens(sorted(parts, key=lambda part: -len(part.fragment.phones)), prompt, options)
            self.sound.decode([[part] for part in parts], prompt, options)
        if options.word_times:
            for part in parts:
                part.words = self.words(part, prompt)
        return [
            self._line(script, [part for part in parts if part.line == line], options)
            for line, script in enumerate(scripts)
        ]

    def _speak_tokens(self, parts: list[Part], prompt: Prompt, options: Options) -> None:
        late = int(self.quirks.late_stop)
        lines = [self.line(part, prompt, options, late) for part in parts]
        speak(self.decoder, lines, options.batch_size)
        for part, line in zip(parts, lines, strict=True):
            limit = token_limit(part.fragment, options.max_tokens)
            part.cut_off = len(line.spoken) >= limit
            first = 1 if len(line.spoken) > limit and prompt.tokens is not None else 0
            part.tokens = np.array(line.spoken[first:], dtype=np.int64)

    def line(self, part: Part, prompt: Prompt, options: Options, more: int = 0) -> Line:
        """Return what the token model reads for a part, the prompt's text first, and how it is to speak it.

        Args:
            part: A fragment.
            prompt: What precedes it.
            options: How.
            more: Tokens beyond its limit.
        """
        pieces = [prompt.text, part.fragment] if prompt.text else [part.fragment]
        return Line(
            np.array([phone for piece in pieces for phone in piece.phones], dtype=np.int64),
            np.concatenate([piece.bert_CX for piece in pieces], axis=1),
            np.zeros(0, dtype=np.int64) if prompt.tokens is None else prompt.tokens,
            min(token_limit(part.fragment, options.max_tokens) + more, MAX_TOKENS),
            part.seed("tokens"),
            options.sampling,
        )

    def words(self, part: Part, prompt: Prompt) -> list[Word]:
        """Return when each word of a part is heard, in seconds from its begin.

        Raises:
            UsageError: Whoever speaks cannot tell.
        """
        raise UsageError("word times need the token model in torch: leave out --runtime, or --word-times")

    @property
    def watermark(self) -> str:
        """Name of the mark that everything spoken carries; empty without one."""
        return self.mark.name if self.mark else ""

    def marked(self, sound_L: np.ndarray) -> np.ndarray:
        """Return samples with the mark; each piece of sound by itself, so that pauses stay silent."""
        return self.mark.apply(sound_L, self.sound.rate) if self.mark else sound_L

    def _line(self, script: Script, parts: list[Part], options: Options) -> Speech:
        rate = self.sound.rate
        pause_rate = RATE_OF_REFERENCE if self.quirks.pause_at_32_khz else rate
        sounds = [self.marked(part.sound) for part in parts]
        samples = waveform.join(sounds, int(pause_rate * options.pause_seconds))
        words = line_times(script.text, parts, options.pause_seconds, rate) if options.word_times else None
        return Speech(samples, rate, report_of(script, parts, len(samples) / rate, self.watermark, words))
