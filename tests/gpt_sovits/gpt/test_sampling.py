"""Tokens are chosen by torch and by NumPy by the same rules."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from voicemill.gpt_sovits.gpt.choosing import Chooser, RowNoise, draw, penalise
from voicemill.gpt_sovits.gpt.lines import Line, Sampling
from voicemill.gpt_sovits.gpt.sampling import TorchArrays
from voicemill.gpt_sovits.onnx.arrays import NumpyArrays

SCORES = np.array([[2.0, 1.0, 0.5, -1.0, -3.0]], dtype=np.float32)
BOTH = {"torch": TorchArrays(torch.device("cpu")), "numpy": NumpyArrays()}


@pytest.fixture(params=BOTH)
def arrays(request: pytest.FixtureRequest) -> Any:
    return BOTH[request.param]


def probabilities(arrays: Any, scores: np.ndarray = SCORES, **manner: Any) -> np.ndarray:
    whole = {"top_k": 100, "top_p": 1.0, "temperature": 1.0}
    return np.asarray(arrays.probabilities(arrays.of(scores), **whole | manner))


def test_only_the_best_k_can_be_drawn(arrays: Any):
    probs = probabilities(arrays, top_k=2)
    assert (probs > 0).tolist() == [[True, True, False, False, False]]
    assert float(probs.sum()) == 1


def test_the_nucleus_keeps_the_best_even_alone(arrays: Any):
    assert (probabilities(arrays, top_p=0.1) > 0).tolist() == [[True, False, False, False, False]]


def test_the_temperature_sharpens_after_the_nucleus_is_taken(arrays: Any):
    warm, cold = (probabilities(arrays, top_p=0.95, temperature=t) for t in (1.0, 0.1))
    assert np.array_equal(warm > 0, cold > 0)
    assert cold[0, 0] > warm[0, 0]


def test_the_penalty_lowers_seen_tokens_of_either_sign(arrays: Any):
    seen = arrays.of(np.array([[True, False, False, True, False]]))
    assert penalise(arrays, arrays.of(SCORES), seen, 2.0).tolist() == [[1.0, 1.0, 0.5, -2.0, -3.0]]


def test_the_best_scores_come_first(arrays: Any):
    scores, places = arrays.best(arrays.of(SCORES), 3)
    assert (scores, places) == ([2.0, 1.0, 0.5], [0, 1, 2])
    assert len(arrays.best(arrays.of(SCORES), 9)[1]) == 5
    np.testing.assert_allclose(np.exp(np.asarray(arrays.log_softmax(arrays.of(SCORES)))).sum(), 1, rtol=1e-6)


def test_draws_follow_the_probabilities():
    probs = torch.tensor([[0.6, 0.3, 0.1]]).repeat(20000, 1)
    noise = torch.empty(20000, 3).exponential_(generator=torch.Generator().manual_seed(0))
    shares = torch.bincount(draw(probs, noise), minlength=3) / 20000
    torch.testing.assert_close(shares, probs[0], atol=0.02, rtol=0)


def test_a_rows_noise_is_its_own(arrays: Any):
    together, alone = RowNoise(3, 5, arrays), RowNoise(1, 5, arrays)
    for row, seed in enumerate((7, 8, 9)):
        together.enter(row, seed)
    alone.enter(0, 9)
    for step in range(RowNoise.BLOCK + 3):
        if step == 2:
            together.move(2, 0)
        row, steps = (2, [step] * 3) if step < 2 else (0, [step])
        assert together.step(dict(enumerate(steps)))[row].tolist() == alone.step({0: step})[0].tolist()


MANNERS = (Sampling(), Sampling(top_k=5, top_p=0.8, temperature=0.7), Sampling(top_k=1), Sampling(top_p=0.3))


def test_numpy_chooses_what_torch_chooses():
    rng, none = np.random.default_rng(4), np.zeros(0, dtype=np.int64)
    config = SimpleNamespace(vocab_size=1025, eos=1024)
    lines = [Line(none, none, np.arange(row), 300, 40 + row, MANNERS[row % 4]) for row in range(6)]
    choosers = [Chooser(SimpleNamespace(arrays=each, config=config), 6) for each in BOTH.values()]  # type: ignore[arg-type]
    for row, line in enumerate(lines):
        for chooser in choosers:
            chooser.enter(row, line)
    for _ in range(70):
        scores = rng.normal(scale=3, size=(6, 1025)).astype(np.float32)
        chosen = [chooser.choose(chooser.arrays.of(scores.copy()), lines) for chooser in choosers]
        assert chosen[0] == chosen[1]
        for line, token in zip(lines, chosen[0], strict=True):
            line.spoken.append(token)
