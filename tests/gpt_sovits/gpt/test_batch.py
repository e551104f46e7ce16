"""Lines that join and leave a batch while it speaks."""

import torch

from voicemill.gpt_sovits.gpt.batch import Batch
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.lines import Line, Sampling
from voicemill.gpt_sovits.gpt.model import Gpt

MANNERS = (Sampling(), Sampling(top_k=1), Sampling(top_k=5, temperature=0.7), Sampling(repetition_penalty=1.1))


def lines() -> list[Line]:
    rng = torch.Generator().manual_seed(3)

    def line(number: int) -> Line:
        phones, prompt = (torch.randint(0, 700, (length,), generator=rng) for length in (6 + 5 * number, 9 * number))
        bert = torch.randn(1024, len(phones), generator=rng)
        return Line(phones.numpy(), bert.numpy(), prompt.numpy(), 30 + number, number, MANNERS[number % len(MANNERS)])

    return [line(number) for number in range(6)]


def alone(model: Gpt) -> list[list[int]]:
    spoken = []
    for line in lines():
        batch = Batch(Decoder(model), 1)
        batch.enter(line)
        while batch.lines:
            batch.step()
        spoken.append(line.spoken)
    return spoken


def test_lines_that_join_at_any_step_in_any_manner_are_spoken_as_each_alone(model: Gpt):
    waiting, entered, batch = lines(), [], Batch(Decoder(model), 3)
    for step in range(1000):
        while waiting and batch.free and step >= 4 * len(entered):
            entered.append(waiting.pop(0))
            batch.enter(entered[-1])
        if batch.lines:
            batch.step()
        elif not waiting:
            break
    assert [line.spoken for line in entered] == alone(model)


def test_a_line_that_leaves_frees_its_row_and_disturbs_nobody(model: Gpt):
    first, second, third, *_ = lines()
    batch = Batch(Decoder(model), 3)
    for line in (first, second):
        batch.enter(line)
    for _ in range(5):
        batch.step()
    batch.enter(third)
    batch.leave(first)
    assert batch.free == 1
    while batch.lines:
        batch.step()
    expected = alone(model)
    assert (second.spoken, third.spoken) == (expected[1], expected[2])
    assert first.spoken == expected[0][:5]
    late = lines()[3]
    batch.enter(late)
    batch.leave(late)
    assert batch.free == 3


def test_a_decoder_with_a_cache_of_its_own_speaks_meanwhile(model: Gpt):
    expected, decoder = alone(model), Decoder(model)
    batches = [Batch(decoder, 1), Batch(decoder.with_own_cache(), 1)]
    pair = lines()[:2]
    for batch, line in zip(batches, pair, strict=True):
        batch.enter(line)
    while any(batch.lines for batch in batches):
        for batch in batches:
            if batch.lines:
                batch.step()
    assert [line.spoken for line in pair] == expected[:2]
