from copy import deepcopy

import torch

from voicemill.gpt_sovits.gpt.optimizer import ScaledAdam


def parameters() -> list[torch.nn.Parameter]:
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape)) for shape in ((4, 3), (4, 3), (5,), (1,))]


def step(optimizer: ScaledAdam, weights: list[torch.nn.Parameter], seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    for weight in weights:
        weight.grad = torch.randn(weight.shape, generator=rng)
    optimizer.step()


def test_a_saved_state_goes_on_as_if_nothing_had_happened():
    steady = parameters()
    optimizer = ScaledAdam(steady, lr=0.01, clipping_update_period=3)
    for seed in range(4):
        step(optimizer, steady, seed)
    resumed = [torch.nn.Parameter(weight.detach().clone()) for weight in steady]
    after = ScaledAdam(resumed, lr=0.01, clipping_update_period=3)
    after.load_state_dict(deepcopy(optimizer.state_dict()))
    for seed in range(4, 10):
        step(optimizer, steady, seed)
        step(after, resumed, seed)
    assert all(torch.equal(a, b) for a, b in zip(steady, resumed, strict=True))


def test_it_finds_the_least_squares_solution():
    torch.manual_seed(0)
    x, wanted = torch.randn(64, 8), torch.randn(8, 3)
    weight = torch.nn.Parameter(torch.randn(8, 3))
    optimizer = ScaledAdam([weight], lr=0.05)
    for _ in range(400):
        loss = (x @ weight - x @ wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1e-3


def test_the_step_does_not_depend_on_the_gradients_scale():
    weights, scaled = parameters(), parameters()
    for values, factor in ((weights, 1.0), (scaled, 1e4)):
        optimizer = ScaledAdam(values, lr=0.01)
        rng = torch.Generator().manual_seed(1)
        for weight in values:
            weight.grad = factor * torch.randn(weight.shape, generator=rng)
        optimizer.step()
    for a, b in zip(weights, scaled, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
