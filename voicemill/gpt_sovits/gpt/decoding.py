"""Speaks tokens, many lines at once: key-value cache, fused attention, finished lines leave the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from voicemill.gpt_sovits.gpt.model import Gpt, visible
from voicemill.gpt_sovits.gpt.sampling import RowNoise, draw, penalise, probabilities

MAX_TOKENS = 1500
"""One minute of speech: no line gets longer, whatever it says."""

MIN_TOKENS = 11
"""EOS cannot be chosen before this many tokens (0.44 s)."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen; the defaults are the reference's."""

    top_k: int = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], not {self.top_p}")
        if self.temperature < 0:
            raise ValueError(f"temperature must not be negative, not {self.temperature}")
        if self.repetition_penalty <= 0:
            raise ValueError(f"repetition_penalty must be positive, not {self.repetition_penalty}")


class KeyValueCache:
    """Keys and values of all layers, in storage that grows by doubling and is otherwise written in place."""

    def __init__(self, capacity: int):
        self.capacity, self.length = capacity, 0
        self.store: list[Tensor] = []

    def __call__(self, layer: int, k_BHLd: Tensor, v_BHLd: Tensor) -> tuple[Tensor, Tensor]:
        """Append one layer's keys and values; the length moves on by `advance` after the last layer."""
        end = self.length + k_BHLd.shape[2]
        if layer == len(self.store):
            B, H, _, width = k_BHLd.shape
            self.store.append(k_BHLd.new_empty(2, B, H, max(self.capacity, end), width))
        store = self.store[layer]
        if end > store.shape[3]:
            grown = store.new_empty(*store.shape[:3], 2 * store.shape[3], store.shape[4])
            grown[:, :, :, : self.length] = store[:, :, :, : self.length]
            self.store[layer] = store = grown
        store[0, :, :, self.length : end] = k_BHLd
        store[1, :, :, self.length : end] = v_BHLd
        return store[0, :, :, :end], store[1, :, :, :end]

    def advance(self, positions: int) -> None:
        self.length += positions

    def keep(self, rows_K: Tensor) -> None:
        """Forget all but these rows."""
        self.store = [store[:, rows_K] for store in self.store]


@torch.inference_mode()
def generate(
    model: Gpt,
    phones: Sequence[Tensor],
    bert: Sequence[Tensor],
    prompts: Sequence[Tensor | None],
    sampling: Sampling = Sampling(),
    *,
    max_tokens: Sequence[int],
    seeds: Sequence[int],
) -> list[Tensor]:
    """Speak tokens for several lines at once.

    Each line's tokens depend on that line and its seed only (up to the rounding of batched arithmetic).

    Args:
        model: In eval mode.
        phones: Phoneme ids `[X]` of each line, those of the prompt first.
        bert: BERT rows `[1024, X]` of each line.
        prompts: Tokens `[Y]` that precede each line's own; None or empty for a line without a prompt.
        sampling: How tokens are chosen; `top_k=1` is greedy.
        max_tokens: Most tokens for each line; what goes on beyond is cut off there.
        seeds: Seed of each line.

    Returns:
        The tokens of each line `[T]`, on the CPU: without the prompt, without EOS.
    """
    device = model.bert_proj.weight.device
    lines = len(phones)
    none = torch.zeros(0, dtype=torch.long)
    prompts_long = [none if prompt is None else prompt.long().cpu() for prompt in prompts]
    x_BSD, mask = _prefill(model, phones, bert, prompts_long)
    cache = KeyValueCache(capacity=x_BSD.shape[1] + 256)

    eos = model.config.eos
    seen_BV = torch.zeros(lines, model.config.vocab_size, dtype=torch.bool, device=device)
    for row, prompt in enumerate(prompts_long):
        seen_BV[row, prompt.to(device)] = True
    position_B1 = torch.tensor([[len(prompt)] for prompt in prompts_long], device=device)
    noise = RowNoise(list(seeds), model.config.vocab_size, device) if sampling.top_k > 1 else None
    limits = [min(limit, MAX_TOKENS) for limit in max_tokens]
    active = list(range(lines))
    spoken: list[list[int]] = [[] for _ in range(lines)]

    for step in range(max(limits, default=0)):
        y_BLD = model.transform(x_BSD, mask, cache)
        cache.advance(x_BSD.shape[1])
        logits_BV = model.ar_predict_layer(y_BLD[:, -1]).float()
        if step < MIN_TOKENS:
            logits_BV[:, eos] = -torch.inf
        logits_BV = penalise(logits_BV, seen_BV, sampling.repetition_penalty)
        best_B = logits_BV.argmax(-1)
        token_B = best_B
        if noise:
            probs_BV = probabilities(
                logits_BV, top_k=sampling.top_k, top_p=sampling.top_p, temperature=sampling.temperature
            )
            token_B = draw(probs_BV, noise.step(step))
        # A line ends as soon as EOS is its best token, even where another one was drawn.
        token_B = token_B.masked_fill(best_B == eos, eos)

        going = []
        for row, token in enumerate(token_B.tolist()):
            line = active[row]
            if token != eos:
                spoken[line].append(token)
                if step + 1 < limits[line]:
                    going.append(row)
        if not going:
            break
        if len(going) < len(active):
            active = [active[row] for row in going]
            going_K = torch.tensor(going, device=device)
            token_B, position_B1, seen_BV = token_B[going_K], position_B1[going_K], seen_BV[going_K]
            mask = mask[going_K]
            cache.keep(going_K)
            if noise:
                noise.keep(going)
        seen_BV.scatter_(1, token_B.unsqueeze(1), True)
        x_BSD = model.embed_tokens(token_B.unsqueeze(1), position_B1 + step)
        mask = torch.cat([mask[:, :, -1:], mask.new_ones(len(active), 1, 1, 1)], dim=3)

    return [torch.tensor(tokens, dtype=torch.long) for tokens in spoken]


def _prefill(
    model: Gpt, phones: Sequence[Tensor], bert: Sequence[Tensor], prompts: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Embedded lines side by side, shorter ones padded on the left, and what sees what `[B, 1, S, S]`."""
    device = model.bert_proj.weight.device
    dtype = model.bert_proj.weight.dtype
    length = max(len(x) + len(y) for x, y in zip(phones, prompts, strict=True))
    rows, masks = [], []
    for phones_X, bert_CX, prompt_Y in zip(phones, bert, prompts, strict=True):
        text_1XD = model.embed_text(phones_X[None].to(device), bert_CX[None].to(device, dtype))
        row_SD = torch.cat([text_1XD, model.embed_tokens(prompt_Y[None].to(device))], dim=1)[0]
        padding = length - len(row_SD)
        rows.append(torch.nn.functional.pad(row_SD, (0, 0, padding, 0)))
        mask_SS = torch.zeros(length, length, dtype=torch.bool, device=device)
        mask_SS[padding:, padding:] = visible(len(phones_X), len(prompt_Y), device)
        # A padded position must see something, or its softmax is not a number; nobody sees it in turn.
        mask_SS[:padding, padding:] = True
        masks.append(mask_SS)
    return torch.stack(rows), torch.stack(masks).unsqueeze(1)
