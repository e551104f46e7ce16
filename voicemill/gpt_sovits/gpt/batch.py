"""Lines that are spoken at once, token by token; lines come and go between two steps.

Shapes: B rows in use, V token vocabulary, X phonemes, Y tokens of a prompt, C = 1024 BERT channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from voicemill.gpt_sovits.gpt.decoder import TokenDecoder
from voicemill.gpt_sovits.gpt.sampling import RowNoise, Sampling, draw, penalise, probabilities

MIN_TOKENS = 11
"""EOS cannot be chosen before this many tokens (0.44 s)."""


@dataclass(eq=False)
class Line:
    """A line to speak.

    Attributes:
        phones_X: Phoneme ids, those of the prompt first.
        bert_CX: BERT rows.
        prompt_Y: Tokens that precede its own, on the CPU; may be empty.
        limit: Most tokens; what goes on beyond is cut off there.
        seed: Its tokens depend on this and on the line only, up to the rounding of batched arithmetic.
        sampling: How tokens are chosen.
        spoken: Its tokens so far, without EOS.
        cached: Positions in the cache.
    """

    phones_X: Tensor
    bert_CX: Tensor
    prompt_Y: Tensor
    limit: int
    seed: int
    sampling: Sampling = Sampling()
    spoken: list[int] = field(default_factory=list)
    cached: int = 0

    def __post_init__(self) -> None:
        self.cached = len(self.phones_X) + len(self.prompt_Y)


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
        self.seen_BV = torch.zeros(rows, decoder.config.vocab_size, dtype=torch.bool, device=decoder.device)
        self.noise: RowNoise | None = None

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
        self.decoder.reserve(self.rows, positions)

    def enter(self, line: Line) -> None:
        """Let a line join at the next step; its limit is at least 1, and a row is free."""
        assert self.free and line.limit > 0
        self.entering.append(line)

    @torch.inference_mode()
    def leave(self, line: Line) -> None:
        """Take a line out that is not to be spoken to its end."""
        if line in self.entering:
            self.entering.remove(line)
        elif line in self.active:
            self._free(self.active.index(line))

    @torch.inference_mode()
    def step(self) -> list[Line]:
        """Speak one more token of each line.

        Returns:
            The lines that have ended, which are no longer in the batch.
        """
        # The step comes first: a row that is read in before it may be written to by a CUDA graph's spare rows.
        logits = [self._step()] if self.active else []
        for line in self.entering:
            logits.append(self._read(line))
        self.entering.clear()
        token_B = self._choose(torch.cat(logits))
        self.seen_BV[: len(self.active)].scatter_(1, token_B.unsqueeze(1), True)
        ended = []
        for row, token in reversed(list(enumerate(token_B.tolist()))):
            line = self.active[row]
            if token != self.decoder.config.eos:
                line.spoken.append(token)
            if token == self.decoder.config.eos or len(line.spoken) >= line.limit:
                ended.append(line)
                self._free(row)
        return ended

    def _read(self, line: Line) -> Tensor:
        """Read a line's text and prompt into the next row; scores of its first token `[1, V]`."""
        row = len(self.active)
        self.reserve(line.cached + 1)
        logits_1V = self.decoder.enter(row, line.phones_X, line.bert_CX, line.prompt_Y)
        self.seen_BV[row] = False
        self.seen_BV[row, line.prompt_Y.to(self.decoder.device)] = True
        if line.sampling.top_k > 1:
            if self.noise is None:
                self.noise = RowNoise(self.rows, self.decoder.config.vocab_size, self.decoder.device)
            self.noise.enter(row, line.seed)
        self.active.append(line)
        return logits_1V

    def _step(self) -> Tensor:
        """Scores `[B, V]` of what follows each line's last token."""
        if max(line.cached for line in self.active) >= self.decoder.cache.capacity:
            self.decoder.reserve(len(self.active), 2 * self.decoder.cache.capacity)
        logits_BV = self.decoder.step(
            [line.spoken[-1] for line in self.active],
            [len(line.prompt_Y) + len(line.spoken) - 1 for line in self.active],
            [line.cached for line in self.active],
        )
        for line in self.active:
            line.cached += 1
        return logits_BV

    def _choose(self, logits_BV: Tensor) -> Tensor:
        """Return the next token of each row `[B]`."""
        early = [row for row, line in enumerate(self.active) if len(line.spoken) < MIN_TOKENS]
        if early:
            logits_BV[early, self.decoder.config.eos] = -torch.inf
        manners = {line.sampling for line in self.active}
        if len(manners) == 1:
            return self._draw(logits_BV, list(range(len(self.active))), manners.pop())
        token_B = torch.empty(len(self.active), dtype=torch.long, device=logits_BV.device)
        for sampling in manners:
            rows = [row for row, line in enumerate(self.active) if line.sampling == sampling]
            token_B[rows] = self._draw(logits_BV[rows], rows, sampling)
        return token_B

    def _draw(self, logits_RV: Tensor, rows: list[int], sampling: Sampling) -> Tensor:
        """Return the next token `[R]` of some rows that are spoken alike."""
        seen_RV = self.seen_BV[: len(rows)] if len(rows) == len(self.active) else self.seen_BV[rows]
        logits_RV = penalise(logits_RV, seen_RV, sampling.repetition_penalty)
        best_R = logits_RV.argmax(-1)
        if sampling.top_k == 1:
            return best_R
        assert self.noise
        noise_RV = self.noise.step({row: len(self.active[row].spoken) for row in rows})
        manner = {"top_k": sampling.top_k, "top_p": sampling.top_p, "temperature": sampling.temperature}
        # A line ends as soon as EOS is its best token, even where another one was drawn.
        eos = self.decoder.config.eos
        return draw(probabilities(logits_RV, **manner), noise_RV).masked_fill(best_R == eos, eos)

    def _free(self, row: int) -> None:
        """Give a row back; the last one takes its place."""
        last = len(self.active) - 1
        if row != last:
            self.active[row] = self.active[last]
            self.decoder.cache.move(last, row)
            self.seen_BV[row] = self.seen_BV[last]
            if self.noise:
                self.noise.move(last, row)
        self.active.pop()
