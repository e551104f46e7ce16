"""Speech that is heard while it is made: scripts that come and go, spoken together in one batch.

Fragments of all scripts share the rows of the token model; a fragment joins at a step of the batch, not at its end.
The first fragments of every script come before anybody's later ones, so that all are heard soon. A fragment's sound
is made when it is its turn to be heard: as a whole, exactly as `Synthesizer.perform` makes it, or in chunks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voicemill.core.errors import VoicemillError
from voicemill.gpt_sovits.gpt.batch import Batch, likeliest
from voicemill.gpt_sovits.gpt.lines import Line
from voicemill.gpt_sovits.synthesis.chunks import ChunkedSound, Chunking
from voicemill.gpt_sovits.synthesis.parts import Part, report_of
from voicemill.gpt_sovits.synthesis.script import Options, Prompt, Script
from voicemill.gpt_sovits.synthesis.speaker import Speaker
from voicemill.gpt_sovits.synthesis.waveform import join

AS_HEARD = Chunking()
Hear = Callable[[np.ndarray], None]
"""Takes samples, float32 `[n]`, in their order."""


@dataclass(eq=False)
class Stream:
    """A script that is being spoken.

    Attributes:
        script: What.
        prompt: By whose voice.
        options: How.
        hear: Gets the sound.
        takes: Says whether more sound is wanted now; while it is not, no further fragment is begun.
        is_chunked: Whether fragments are heard before they are spoken to their end.
        report: What was said and how, once it has ended; as `Speech.report`.
        error: Why it ended early.
    """

    script: Script
    prompt: Prompt
    options: Options
    hear: Hear
    takes: Callable[[], bool] = lambda: True
    is_chunked: bool = True
    report: dict[str, Any] | None = None
    error: Exception | None = None
    samples: int = 0
    parts: list[Part] = field(default_factory=list)
    lines: dict[int, Line] = field(default_factory=dict)
    begun: int = 0
    heard: int = 0
    sound: ChunkedSound | None = None

    def __post_init__(self) -> None:
        self.parts = [Part(0, index, piece, self.script) for index, piece in enumerate(self.script.fragments)]

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes."""
        return self.report is not None or self.error is not None


class StreamingSynthesizer:
    """Speaks scripts that come and go; for one thread.

    Args:
        synthesizer: Speaks by itself meanwhile, if need be.
        rows: Fragments that are spoken at once.
        chunking: How chunks are cut.
    """

    def __init__(self, synthesizer: Speaker, rows: int = 16, chunking: Chunking = AS_HEARD):
        self.synthesizer, self.chunking = synthesizer, chunking
        self.batch = Batch(synthesizer.decoder.with_own_cache(), rows)
        self._beams = synthesizer.decoder.with_own_cache()
        self.streams: list[Stream] = []

    def begin(self, stream: Stream) -> None:
        """Let a script be spoken from the next step on."""
        self.streams.append(stream)

    def cancel(self, stream: Stream) -> None:
        """Speak a script no further; its rows are free at once."""
        if stream in self.streams:
            self.streams.remove(stream)
            for line in stream.lines.values():
                self.batch.leave(line)

    @property
    def is_idle(self) -> bool:
        """Whether a step would do nothing: no script is there, or none is wanted further."""
        return not self.batch.lines and not any(stream.takes() for stream in self.streams)

    def step(self) -> list[Stream]:
        """Speak a token of each fragment, and make what sound can be made.

        Returns:
            The scripts that have ended.
        """
        self._admit()
        if self.batch.lines:
            self.batch.step()
        failed = []
        for stream in list(self.streams):
            try:
                self._sound(stream)
            except (RuntimeError, VoicemillError) as error:
                self.cancel(stream)
                stream.error = error
                failed.append(stream)
        return failed + self._ended()

    def _ended(self) -> list[Stream]:
        ended = [stream for stream in self.streams if stream.heard == len(stream.parts)]
        for stream in ended:
            stream.report = report_of(
                stream.script, stream.parts, stream.samples / self.synthesizer.sound.rate, self.synthesizer.watermark
            )
            self.streams.remove(stream)
        return ended

    def _admit(self) -> None:
        """Give free rows to the fragments that are to be heard next."""
        while self.batch.free:
            waiting = [stream for stream in self.streams if stream.begun < len(stream.parts) and stream.takes()]
            if not waiting:
                return
            stream = min(waiting, key=lambda stream: stream.begun - stream.heard)
            line = self._line(stream, stream.parts[stream.begun])
            stream.begun += 1
            if stream.options.sampling.num_beams > 1:
                line.spoken = likeliest(self._beams, line)
                return
            self.batch.enter(line)

    def _line(self, stream: Stream, part: Part) -> Line:
        line = self.synthesizer.line(part, stream.prompt, stream.options)
        stream.lines[part.index] = line
        return line

    def _sound(self, stream: Stream) -> None:
        while stream.heard < stream.begun:
            part, line = stream.parts[stream.heard], stream.lines[stream.heard]
            if line in self.batch.lines:
                if stream.is_chunked and stream.script.speed == 1:
                    self._sound_chunk(stream, part, line)
                return
            part.tokens, part.cut_off = np.array(line.spoken, dtype=np.int64), len(line.spoken) >= line.limit
            if stream.sound:
                sound = stream.sound.extend(line.spoken, is_last=True)
            else:
                self.synthesizer.sound.decode([[part]], stream.prompt, stream.options)
                sound = part.sound
            self._hear(
                stream,
                join([self.synthesizer.marked(sound)], int(self.synthesizer.sound.rate * stream.options.pause_seconds)),
            )
            # What was said stays for the report; the rest may be large.
            part.sound, stream.sound = np.zeros(0, dtype=np.float32), None
            del stream.lines[stream.heard]
            stream.heard += 1

    def _sound_chunk(self, stream: Stream, part: Part, line: Line) -> None:
        if stream.sound is None:
            sound, options = self.synthesizer.sound, stream.options
            stream.sound = sound.chunked(part, stream.prompt, line.limit, options, self.chunking)
        if stream.sound is None:
            # v3 and v4 make a mel spectrogram of the whole fragment.
            return
        if len(line.spoken) >= stream.sound.wanted:
            self._hear(stream, self.synthesizer.marked(stream.sound.extend(line.spoken, is_last=False)))

    def _hear(self, stream: Stream, sound_L: np.ndarray) -> None:
        stream.samples += len(sound_L)
        stream.hear(sound_L)
