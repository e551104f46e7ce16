"""Which phone is said at which token: the path through attention, and attention as decoding computes it."""

import pytest
import torch
from torch import Tensor

from voicemill.gpt_sovits.gpt.alignment import align
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.model import Gpt, visible


class Reader:
    """A decoder whose heads read as they are told to."""

    def __init__(self, *layers: Tensor):
        self.layers = layers

    def readings(self, *_: Tensor):
        yield from self.layers


def follows(path: list[int], phones: int, strength: float = 0.8) -> Tensor:
    """A head `[1, Y, X]` that reads mostly the phone of a path."""
    read = torch.full((1, len(path), phones), (1 - strength) / phones)
    read[0, torch.arange(len(path)), torch.tensor(path)] += strength
    return read


def aligned(*layers: Tensor, phones: int, tokens: int, prompt: tuple[int, int] = (0, 0)) -> list[int]:
    ids, bert = torch.zeros(phones, dtype=torch.long), torch.zeros(1024, phones)
    said = torch.zeros(tokens, dtype=torch.long)
    decoder = Reader(*layers)
    return align(decoder, ids, bert, said, prompt_phones=prompt[0], prompt_tokens=prompt[1]).tolist()  # type: ignore[arg-type]


PATH = [0, 0, 0, 1, 1, 2, 3, 3, 3, 3, 4, 5, 5]


def test_the_path_is_that_of_the_heads_that_follow_one():
    noise = torch.rand(7, 13, 6, generator=torch.Generator().manual_seed(1)).softmax(-1)
    layers = [noise, torch.cat([follows(PATH, 6) for _ in range(4)]), noise]
    assert aligned(*layers, phones=6, tokens=13) == PATH


def test_one_head_that_loses_its_place_is_outvoted():
    astray = [0, 0, 0, 5, 5, 5, 3, 3, 3, 3, 4, 5, 5]
    heads = torch.cat([follows(path, 6) for path in (PATH, PATH, PATH, astray)])
    assert aligned(heads, phones=6, tokens=13) == PATH


def test_time_does_not_run_backwards():
    heads = torch.cat([follows([0, 1, 2, 0, 1, 3, 3, 4], 5) for _ in range(4)])
    path = aligned(heads, phones=5, tokens=8)
    assert path == sorted(path)
    assert path[0] == 0
    assert path[-1] == 4


def test_a_prompt_is_left_out():
    read = torch.full((4, 2 + len(PATH), 3 + 6), 0.01)
    read[:, 2:, 3:] = follows(PATH, 6)
    assert aligned(read, phones=9, tokens=15, prompt=(3, 2)) == PATH


def test_hurried_tokens_are_shared_evenly_and_nothing_is_said_in_none():
    assert aligned(phones=10, tokens=2) == [0, 5]
    assert aligned(phones=4, tokens=0) == []
    assert aligned(phones=3, tokens=5, prompt=(3, 0)) == []


@pytest.mark.parametrize("phones", [1, 2, 3])
def test_few_phones_are_no_matter(phones: int):
    heads = torch.cat([follows([0, phones - 1], phones) for _ in range(4)])
    assert aligned(heads, phones=phones, tokens=2) == [0, phones - 1]


def test_attention_is_that_of_the_model(model: Gpt):
    generator = torch.Generator().manual_seed(3)
    phones, tokens = (torch.randint(1, 500, (size,), generator=generator) for size in (7, 12))
    bert = torch.randn(1024, 7, generator=generator)
    expected: list[Tensor] = []
    mask = visible(7, 12, torch.device("cpu"))[None, None]
    with torch.inference_mode():
        x = torch.cat([model.embed_text(phones[None], bert[None]), model.embed_tokens(tokens[None])], 1)
        model.transform(
            x, mask, lambda attention, given, _: expected.append(attention.first_head(given, mask, slice(7, None)))
        )
        found = list(Decoder(model).readings(phones, bert, tokens))
    assert len(found) == len(expected) == 2
    for read_HYX, log_BYS in zip(found, expected, strict=True):
        torch.testing.assert_close(read_HYX[0], log_BYS[0, :, :7].exp(), atol=1e-5, rtol=1e-4)
