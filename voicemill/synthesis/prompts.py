"""The reference clips that a voice's lines imitate, prepared once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from voicemill.gpt_sovits.synthesis import Prompt
from voicemill.synthesis.speaking import SpeakingVoice
from voicemill.synthesis.verification.mending import OWN, WORDLESS


class Prompts:
    """References of a voice by name, each prepared when a line first asks for it.

    Args:
        speaking: The voice.
        others: More recordings of the speaker, whose voice is averaged with that of each reference.
    """

    def __init__(self, speaking: SpeakingVoice, others: Sequence[Path] = ()):
        self.speaking, self._others = speaking, tuple(others)
        self._prepared: dict[str | tuple[str, str], Prompt] = {}

    def of(self, name: str, *, has_words: bool = True) -> Prompt:
        """Return a reference by its name, the usual one for an empty name, with its words or without.

        Raises:
            InputError: The voice has none of that name, or it cannot be used.
        """
        key = name if has_words else (name, WORDLESS)
        if key not in self._prepared:
            reference = replace(self.speaking.named(name), others=self._others)
            reference = reference if has_words else replace(reference, text="")
            self._prepared[key] = self.speaking.synthesizer.prepare(reference)
        return self._prepared[key]

    def of_step(self, step: str, own: str) -> Prompt:
        """Return the prompt that a step of mending names, for lines whose own reference is `own`."""
        if step == WORDLESS:
            return self.of(own, has_words=False)
        return self.of(own if step == OWN else step)
