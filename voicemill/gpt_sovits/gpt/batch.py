"""Lines that are spoken at once, token by token; lines come and go between two steps.

Where the likeliest whole line is looked for (`Sampling.num_beams`), the rows are beginnings of one line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from voicemill.gpt_sovits.gpt import beam_search
from voicemill.gpt_sovits.gpt.choosing import Array, Chooser, TokenDecoder
from voicemill.gpt_sovits.gpt.lines import MIN_TOKENS, Line


class Batch:
    """Lines in the rows of a decoder's cache, which nothing else may use meanwhile.

    Args:
        decoder: Speaks.
        rows: Most lines at once.
    """

    def __init__(self, decoder: TokenDecoder, rows: int):
        self.decoder, self.rows = decoder, rows
        self.active: list[Line] = []
        self.entering: list[Line] = []
        self.inference = decoder.arrays.inference
        with self.inference():
            self.chooser = Chooser(decoder, rows)

    @property
    def lines(self) -> list[Line]:
        """All lines in it."""
        return [*self.active, *self.entering]

    @property
    def free(self) -> int:
        """Rows that are not in use."""
        return self.rows - len(self.active) - len(self.entering)

    def reserve(self, positions: int) -> None:
        """Make room for lines of so many positions, so that the cache does not grow step by step."""
        with self.inference():
            self.decoder.reserve(self.rows, positions)

    def enter(self, line: Line) -> None:
        """Let a line join at the next step; its limit is at least 1, and a row is free."""
        assert self.free and line.limit > 0
        self.entering.append(line)

    def leave(self, line: Line) -> None:
        """Take a line out that is not to be spoken to its end."""
        if line in self.entering:
            self.entering.remove(line)
        elif line in self.active:
            with self.inference():
                self._free(self.active.index(line))

    def step(self) -> list[Line]:
        """Speak one more token of each line.

        Returns:
            The lines that have ended, which are no longer in the batch.
        """
        with self.inference():
            # The step comes first: a row that is read in before it may be written to by a CUDA graph's spare rows.
            scores = [self._step()] if self.active else []
            for line in self.entering:
                scores.append(self._read(line))
            self.entering.clear()
            tokens = self.chooser.choose(self.decoder.arrays.joined(scores), self.active)
            ended = []
            for row, token in reversed(list(enumerate(tokens))):
                line = self.active[row]
                if token != self.decoder.config.eos:
                    line.spoken.append(token)
                if token == self.decoder.config.eos or len(line.spoken) >= line.limit:
                    ended.append(line)
                    self._free(row)
            return ended

    def _read(self, line: Line) -> Array:
        """Read a line's text and prompt into the next row; scores of its first token `[1, V]`."""
        row = len(self.active)
        self.reserve(line.cached + 1)
        scores_1V = self.decoder.enter(row, line.phones_X, line.bert_CX, line.prompt_Y)
        self.chooser.enter(row, line)
        self.active.append(line)
        return scores_1V

    def _step(self) -> Array:
        """Scores `[B, V]` of what follows each line's last token."""
        if max(line.cached for line in self.active) >= self.decoder.cache.capacity:
            self.decoder.reserve(len(self.active), 2 * self.decoder.cache.capacity)
        scores_BV = self.decoder.step(
            [line.spoken[-1] for line in self.active],
            [len(line.prompt_Y) + len(line.spoken) - 1 for line in self.active],
            [line.cached for line in self.active],
        )
        for line in self.active:
            line.cached += 1
        return scores_BV

    def _free(self, row: int) -> None:
        """Give a row back; the last one takes its place."""
        last = len(self.active) - 1
        if row != last:
            self.active[row] = self.active[last]
            self.decoder.cache.move(last, row)
            self.chooser.move(last, row)
        self.active.pop()


def speak(decoder: TokenDecoder, lines: Sequence[Line], rows: int) -> None:
    """Speak lines: each line's `spoken` are its tokens then.

    Args:
        decoder: Speaks; whatever its cache holds is lost.
        lines: All of one manner, where it is to look for the likeliest whole line.
        rows: Lines that are spoken at once; the others wait for their turn in the order given.
    """
    for line in lines:
        if line.sampling.num_beams > 1:
            line.spoken = likeliest(decoder, line)
    waiting = deque(line for line in lines if line.limit > 0 and line.sampling.num_beams == 1)
    if not waiting:
        return
    batch = Batch(decoder, min(rows, len(waiting)))
    batch.reserve(max(line.cached for line in waiting) + min(256, max(line.limit for line in waiting)))
    while waiting or batch.lines:
        while waiting and batch.free:
            batch.enter(waiting.popleft())
        batch.step()


def likeliest(decoder: TokenDecoder, line: Line) -> list[int]:
    """Return the likeliest tokens of a line; whatever else the decoder's cache holds is lost."""
    with decoder.arrays.inference():
        return beam_search.search(decoder, line, min_tokens=MIN_TOKENS)
