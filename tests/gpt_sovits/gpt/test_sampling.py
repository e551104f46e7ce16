import torch

from voicemill.gpt_sovits.gpt.sampling import RowNoise, draw, penalise, probabilities

LOGITS = torch.tensor([[2.0, 1.0, 0.5, -1.0, -3.0]])


def test_only_the_best_k_can_be_drawn():
    probs = probabilities(LOGITS, top_k=2)
    assert (probs > 0).tolist() == [[True, True, False, False, False]]
    assert float(probs.sum()) == 1


def test_the_nucleus_keeps_the_best_even_alone():
    assert (probabilities(LOGITS, top_p=0.1) > 0).tolist() == [[True, False, False, False, False]]


def test_the_temperature_sharpens_after_the_nucleus_is_taken():
    warm, cold = (probabilities(LOGITS, top_p=0.95, temperature=t) for t in (1.0, 0.1))
    assert torch.equal(warm > 0, cold > 0)
    assert cold[0, 0] > warm[0, 0]


def test_the_penalty_lowers_seen_tokens_of_either_sign():
    seen = torch.tensor([[True, False, False, True, False]])
    assert penalise(LOGITS, seen, 2.0).tolist() == [[1.0, 1.0, 0.5, -2.0, -3.0]]


def test_draws_follow_the_probabilities():
    probs = torch.tensor([[0.6, 0.3, 0.1]]).repeat(20000, 1)
    noise = torch.empty(20000, 3).exponential_(generator=torch.Generator().manual_seed(0))
    shares = torch.bincount(draw(probs, noise), minlength=3) / 20000
    torch.testing.assert_close(shares, probs[0], atol=0.02, rtol=0)


def test_a_rows_noise_is_its_own():
    together, alone = RowNoise(3, 5, torch.device("cpu")), RowNoise(1, 5, torch.device("cpu"))
    for row, seed in enumerate((7, 8, 9)):
        together.enter(row, seed)
    alone.enter(0, 9)
    for step in range(RowNoise.BLOCK + 3):
        if step == 2:
            together.move(2, 0)
        row, steps = (2, [step] * 3) if step < 2 else (0, [step])
        assert torch.equal(together.step(dict(enumerate(steps)))[row], alone.step({0: step})[0])
