"""What a voice says: a spoken line, whole or piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicemill.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from voicemill.text import Unpronounced


@dataclass(frozen=True, eq=False)
class Speech:
    """A spoken line.

    Attributes:
        samples: float32 `[n]`, mono, full scale at 1.
        sample_rate: In Hz.
        text: What was asked for.
        language: Language of the text.
        speed: 2 is twice as fast.
        seed: The seed that speaks it the same way again.
        speaker: Whose voice it is.
        voice: The voice's version, a digest of its files.
        unpronounced: The characters of the text that are not heard (`character`, `position`).
        watermark: The name of the inaudible mark in the samples; empty where they are not marked.
        cut_off: How many pieces of the text reached the length limit, so that their end may be missing.
        verification: What a recogniser heard and what became of the line, as the manifest of `synthesize` has it:
            `outcome`, `heard`, `causes` and so on; None where it was not verified.
    """

    samples: np.ndarray
    sample_rate: int
    text: str
    language: str
    speed: float
    seed: int
    speaker: str
    voice: str
    unpronounced: tuple[Unpronounced, ...] = ()
    cut_off: int = 0
    watermark: str = ""
    verification: Mapping[str, Any] | None = None

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return len(self.samples) / self.sample_rate

    def pcm16(self) -> np.ndarray:
        """Return the samples as int16 `[n]`."""
        from voicemill.gpt_sovits.synthesis import waveform

        return waveform.pcm16(self.samples)

    def save(self, path: str | Path) -> Path:
        """Write a 16-bit WAV file, marked as generated speech in its metadata as `voicemill stage synthesize` does.

        Args:
            path: Where to; must end in `.wav`. The file appears whole or not at all, and replaces what is there.

        Returns:
            The path.

        Raises:
            UsageError: If the path does not end in `.wav`.
            CannotWrite: If nothing can be written there.
        """
        from voicemill.core.files import atomic
        from voicemill.synthesis.marking import encode_marked_speech

        path = Path(path)
        if path.suffix.lower() != ".wav":
            raise UsageError(f"{path} cannot be saved: speech is saved as WAV; let the name end in .wav")
        content = encode_marked_speech(
            self.pcm16(),
            self.sample_rate,
            speaker=self.speaker,
            voice=self.voice,
            text=self.text,
            seed=self.seed,
            watermark=self.watermark,
        )
        with atomic(path, is_folder=False) as partial:
            partial.write_bytes(content)
        return path


class SpeechStream:
    """A line that is heard while it is spoken: an iterator over its samples, float32 `[n]`, piece by piece.

    Attributes:
        speech: The whole line, once all pieces were taken; None before.
    """

    def __init__(self, pieces: Iterator[np.ndarray | Speech]):
        self._pieces = pieces
        self.speech: Speech | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        for piece in self._pieces:
            if isinstance(piece, Speech):
                self.speech = piece
            else:
                yield piece
