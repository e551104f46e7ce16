"""What makes sound of tokens, whatever it computes with."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from voicemill.gpt_sovits.synthesis.chunks import ChunkedSound, Chunking
from voicemill.gpt_sovits.synthesis.fragments import Fragment
from voicemill.gpt_sovits.synthesis.parts import Part
from voicemill.gpt_sovits.synthesis.reference import Reference
from voicemill.gpt_sovits.synthesis.script import Options, Prompt


class Sound(Protocol):
    """How a voice sounds."""

    rate: int
    """Sampling rate in Hz."""

    def voice(self, reference: Reference, tokens: np.ndarray | None, text: Fragment | None) -> Any:
        """Return what it takes of a reference: of its recordings, and of its prompt's tokens and text."""
        ...

    def decode(self, utterances: list[list[Part]], prompt: Prompt, options: Options) -> None:
        """Give parts their sound.

        Args:
            utterances: Parts that are spoken in one breath; but for comparisons, one each.
            prompt: Whose voice.
            options: How.
        """
        ...

    def chunked(
        self, part: Part, prompt: Prompt, limit: int, options: Options, chunking: Chunking
    ) -> ChunkedSound | None:
        """Return what makes a part's sound while its tokens are still chosen; None where it is only made whole.

        Args:
            part: At a speed of 1.
            prompt: Whose voice.
            limit: Most tokens that it may have.
            options: How.
            chunking: How it is cut.
        """
        ...
