import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.decoding import generate
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.kernels import cpu
from voicemill.gpt_sovits.kernels.linear import weights_for


def lines(count: int) -> tuple[list, list, list]:
    rng = torch.Generator().manual_seed(3)
    sizes = [5 + 3 * n for n in range(count)]
    phones = [torch.randint(0, 732, (size,), generator=rng) for size in sizes]
    bert = [torch.randn(1024, size, generator=rng) for size in sizes]
    return phones, bert, [torch.randint(0, 1024, (4 + n,), generator=rng) for n in range(count)]


def speak(model: Gpt | Decoder, count: int, rows: int | None = None) -> list[torch.Tensor]:
    limits = [12 + 5 * (n % 3) for n in range(count)]
    return generate(model, *lines(count), Sampling(), max_tokens=limits, seeds=list(range(count)), rows=rows)


def test_packed_weights_say_the_same(model: Gpt):
    plain, packed = speak(model, 3), speak(Decoder(model, "packed"), 3)
    assert all(torch.equal(a, b) for a, b in zip(plain, packed, strict=True))


def test_weights_of_a_half_precision_file_lose_nothing_in_half_precision(model: Gpt):
    assert weights_for("fp32", torch.device("cpu"), model) == "packed"
    of_file = model.half().float()
    assert weights_for("fp32", torch.device("cpu"), of_file) == "fp16"
    plain, halved = speak(of_file, 3), speak(Decoder(of_file, "fp16"), 3)
    assert all(torch.equal(a, b) for a, b in zip(plain, halved, strict=True))


@pytest.mark.parametrize("weights", ["fp16", "int8"])
def test_coarse_weights_score_nearly_the_same(model: Gpt, weights):
    phones, bert, prompts = lines(1)
    scores = []
    for decoder in (Decoder(model), Decoder(model, weights)):
        decoder.reserve(1, 20)
        with torch.inference_mode():
            scores.append(decoder.enter(0, phones[0], bert[0], prompts[0]))
    exact, coarse = scores
    assert float((exact - coarse).norm() / exact.norm()) < 0.05
    assert not torch.equal(exact, coarse)


def test_lines_that_wait_for_a_row_say_what_they_would_say_at_once(model: Gpt):
    at_once, by_turns = speak(model, 7), speak(model, 7, rows=3)
    assert all(torch.equal(a, b) for a, b in zip(at_once, by_turns, strict=True))


def test_products_and_their_gradients_are_torchs():
    rng = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*shape, generator=rng) for shape in ((2, 7, 12), (5, 12), (5,)))
    answers = []
    for product in (F.linear, cpu.linear):
        leaves = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
        y = product(*leaves)
        answers.append([y, *torch.autograd.grad(y.square().sum(), leaves)])
    for ours, torchs in zip(*answers, strict=True):
        torch.testing.assert_close(ours, torchs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_keeps_the_mean_and_drops_gradients_with_values(dtype: torch.dtype):
    torch.manual_seed(0)
    x = torch.ones(400, 333, dtype=dtype, requires_grad=True)
    y = cpu.dropout(x, 0.1, True)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())
    assert abs(float((y == 0).float().mean()) - 0.1) < 0.005
    assert abs(float(y.detach().float().mean()) - 1) < 0.01
    assert y.detach().float().unique().tolist() == pytest.approx([0.0, 1 / 0.9], rel=4e-3)
    assert cpu.dropout(x, 0.1, False) is x


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_attention_without_dropped_weights_is_torchs(dtype: torch.dtype, tolerance: float):
    rng = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 6, 4, generator=rng).to(dtype) for _ in range(3))
    mask = torch.ones(6, 6, dtype=torch.bool).tril()[None, None]
    exact = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(cpu.attention(q, k, v, mask, 1e-9), exact, atol=tolerance, rtol=tolerance)


def test_memory_that_was_freed_is_used_again():
    program = (
        "import resource, torch; from voicemill.gpt_sovits.kernels.cpu import keep_freed_memory; keep_freed_memory()\n"
        "for _ in range(20): torch.zeros(2**24); print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    faults = [int(line) for line in said.split()]
    pages = 2**24 * 4 // 4096
    assert faults[-1] - faults[9] < 5 * pages, "of ten tensors, half need memory that the process has not had"
