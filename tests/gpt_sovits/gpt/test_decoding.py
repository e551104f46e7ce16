import pytest
import torch

from voicemill.gpt_sovits.gpt.decoding import generate
from voicemill.gpt_sovits.gpt.lines import MIN_TOKENS, Sampling
from voicemill.gpt_sovits.gpt.model import Gpt

LENGTHS = (6, 17, 9, 30)
AS_REFERENCE = Sampling()


@pytest.fixture
def lines() -> tuple[list, list, list]:
    """Four lines of different lengths: phones, BERT rows, prompts (one of them empty, one missing)."""
    rng = torch.Generator().manual_seed(3)
    phones = [torch.randint(0, 732, (length,), generator=rng) for length in LENGTHS]
    bert = [torch.randn(1024, length, generator=rng) for length in LENGTHS]
    prompts = [torch.randint(0, 1024, (count,), generator=rng) if count else None for count in (12, 0, 5, 40)]
    return phones, bert, prompts


def speak(model: Gpt, lines: tuple, sampling: Sampling = AS_REFERENCE, limit: int = 40, seeds=(1, 2, 3, 4)) -> list:
    return generate(model, *lines, sampling, max_tokens=[limit] * len(lines[0]), seeds=seeds[: len(lines[0])])


def test_a_line_is_spoken_the_same_whatever_lines_are_beside_it(model: Gpt, lines: tuple):
    together = speak(model, lines)
    for row in range(4):
        alone = generate(model, *([part[row]] for part in lines), max_tokens=[40], seeds=[row + 1])
        assert torch.equal(alone[0], together[row])


def test_a_seed_decides_what_is_spoken(model: Gpt, lines: tuple):
    first, again, other = speak(model, lines), speak(model, lines), speak(model, lines, seeds=(5, 6, 7, 8))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@torch.no_grad()
def test_the_cache_gives_what_a_pass_over_the_whole_line_gives(model: Gpt, lines: tuple):
    phones, bert, prompts = lines
    greedy = speak(model, lines, Sampling(top_k=1, repetition_penalty=1.0))
    for row, tokens in enumerate(greedy):
        before = torch.zeros(0, dtype=torch.long) if prompts[row] is None else prompts[row]
        whole = torch.cat([before, tokens])[None]
        sizes = torch.tensor([len(phones[row])]), torch.tensor([whole.shape[1]])
        scores = model(phones[row][None], sizes[0], whole, sizes[1], bert[row][None])[0][0, len(before) : -1]
        scores[:MIN_TOKENS, model.config.eos] = -torch.inf
        assert torch.equal(scores.argmax(-1), tokens)


def test_a_line_ends_at_its_limit_and_keeps_all_its_tokens(model: Gpt, lines: tuple):
    phones, bert, prompts = lines
    model.ar_predict_layer.weight.data[model.config.eos] = 0
    long = generate(model, phones, bert, prompts, Sampling(top_k=1), max_tokens=[300, 20, 1, 40], seeds=[0] * 4)
    assert [len(tokens) for tokens in long] == [300, 20, 1, 40]
    short = speak(model, lines, Sampling(top_k=1), limit=20)
    assert torch.equal(long[0][:20], short[0])


def test_eos_ends_a_line_but_never_before_eleven_tokens(model: Gpt, lines: tuple):
    last = model.get_submodule("h.layers.1.norm2")
    last.get_parameter("bias").data.fill_(10)
    model.ar_predict_layer.weight.data[model.config.eos] = 10
    assert [len(tokens) for tokens in speak(model, lines)] == [MIN_TOKENS] * 4


def test_half_precision_speaks(model: Gpt, lines: tuple):
    spoken = speak(model.bfloat16(), lines)
    assert all(len(tokens) >= MIN_TOKENS for tokens in spoken)


@pytest.mark.parametrize(
    "wrong", [{"top_k": 0}, {"top_p": 0.0}, {"temperature": -1.0}, {"repetition_penalty": 0.0}, {"num_beams": 0}]
)
def test_settings_that_mean_nothing_are_refused(wrong: dict):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sampling(**wrong)


def mean_log_probability(model: Gpt, line: tuple, tokens: torch.Tensor) -> float:
    """Of tokens and EOS, which is barred before its time."""
    phones, bert, prompt = line
    whole = torch.cat([prompt, tokens])[None]
    sizes = torch.tensor([len(phones)]), torch.tensor([whole.shape[1]])
    scores = model(phones[None], sizes[0], whole, sizes[1], bert[None])[0][0, len(prompt) :]
    scores[:MIN_TOKENS, model.config.eos] = -torch.inf
    wanted = torch.cat([tokens, torch.tensor([model.config.eos])])
    return float(scores.log_softmax(-1).gather(1, wanted[:, None]).mean())


@torch.no_grad()
def test_beams_find_a_likelier_line_than_the_likeliest_tokens(model: Gpt, lines: tuple):
    # Lines of such a model end somewhere if EOS always has some weight.
    model.get_submodule("h.layers.1.norm2").get_parameter("bias").data.fill_(1)
    scores = model.ar_predict_layer.weight.data
    scores[model.config.eos] += 2 / scores.shape[1] - scores[model.config.eos].mean()
    plain, wide = (speak(model, lines, Sampling(top_k=1, repetition_penalty=1.0, num_beams=n)) for n in (1, 6))
    nothing = torch.zeros(0, dtype=torch.long)
    given = [(a, b, nothing if c is None else c) for a, b, c in zip(*lines, strict=True)]
    assert all(len(tokens) < 40 for tokens in (*plain, *wide))
    gains = [
        mean_log_probability(model, line, searched) - mean_log_probability(model, line, chosen)
        for line, searched, chosen in zip(given, wide, plain, strict=True)
    ]
    assert min(gains) > -1e-4 and max(gains) > 0.01
    again = speak(model, tuple(part[::-1] for part in lines), Sampling(top_k=15, repetition_penalty=1.0, num_beams=6))
    assert all(torch.equal(a, b) for a, b in zip(wide, again[::-1], strict=True))


@torch.no_grad()
def test_enough_beams_find_the_likeliest_of_all_lines(model: Gpt, lines: tuple):
    phones, bert, prompt = (part[0] for part in lines)
    sizes = torch.tensor([len(phones)]), torch.tensor([len(prompt)])
    first_V = model(phones[None], sizes[0], prompt[None], sizes[1], bert[None])[0][0, -1]
    first_V[model.config.eos] = -torch.inf
    every = torch.arange(1024)
    rows = [part.expand(1024, *part.shape) for part in (phones, bert)]
    whole = torch.cat([prompt.expand(1024, -1), every[:, None]], dim=1)
    lengths = torch.full((1024,), len(phones)), torch.full((1024,), len(prompt) + 1)
    then_VV = model(rows[0], lengths[0], whole, lengths[1], rows[1])[0][:, -1]
    then_VV[:, model.config.eos] = -torch.inf
    best = int((first_V.log_softmax(-1)[:1024, None] + then_VV.log_softmax(-1)).argmax())
    sampling = Sampling(repetition_penalty=1.0, num_beams=256)
    found = generate(model, [phones], [bert], [prompt], sampling, max_tokens=[2], seeds=[0])
    assert found[0].tolist() == [best // 1025, best % 1025]


def test_beams_stop_at_the_limit_and_can_be_none(model: Gpt, lines: tuple):
    model.ar_predict_layer.weight.data[model.config.eos] = 0
    found = generate(model, *lines, Sampling(num_beams=3), max_tokens=[300, 0, 1, 12], seeds=[0] * 4)
    assert [len(tokens) for tokens in found] == [300, 0, 1, 12]
