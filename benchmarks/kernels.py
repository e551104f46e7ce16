"""What torch's private operations gain over plain torch: CPU time on one thread, both by turns, medians.

    python -m benchmarks.kernels [--repeat N]

Shapes are those of a full-size v2 model. What gains less than 1.3 times leaves gpt_sovits/kernels/operations.py,
but for what a whole step is slower without.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from voicemill.gpt_sovits.kernels.operations import Plain, Private

LAYERS = 24
"""Of the token model: so many matrices of a kind are read for a token, none of which the cache still holds."""
MATRICES = ((512, 1536), (512, 512), (512, 2048), (2048, 512))
Work = Callable[[], object]


def training(operations: Plain) -> Iterator[tuple[str, Work]]:
    """Products of a training step of the token model, and the weight norm of SoVITS, with their gradients."""
    for inputs, outputs in MATRICES:
        x, weight, gradient = torch.randn(1600, inputs), torch.randn(outputs, inputs), torch.randn(1600, outputs)

        def step(x=x, weight=weight, gradient=gradient) -> None:
            operations.linear(x, weight)
            operations.linear(gradient, weight.t())
            operations.linear(gradient.t(), x.t())

        yield f"linear 1600x{inputs}->{outputs} and gradients", step
    for shape in ((1024, 1024, 5, 1), (512, 256, 16), (64, 64, 11)):
        v, upwards = torch.randn(shape, requires_grad=True), torch.randn(shape)
        g = torch.randn(shape[0], *[1] * (len(shape) - 1), requires_grad=True)

        def norm(v=v, g=g, upwards=upwards) -> object:
            return torch.autograd.grad(operations.weight_norm(v, g), (v, g), upwards)

        yield f"weight_norm {shape} and gradients", norm


def decoding(operations: Plain) -> Iterator[tuple[str, Work]]:
    """A token's products with every layer's matrices; plain is fp32, from which each of the other forms departs."""
    for rows in (1, 16):
        for inputs, outputs in MATRICES:
            x = torch.randn(rows, inputs)
            weights = [(torch.randn(outputs, inputs), torch.randn(outputs)) for _ in range(LAYERS)]
            for kind in ("packed", "float16", "int8"):
                name = f"{kind}_linear {rows}x{inputs}->{outputs}"
                if not operations.are_fast:
                    yield name, lambda x=x, weights=weights: [F.linear(x, weight, bias) for weight, bias in weights]
                    continue
                pack = getattr(operations, "pack_linear" if kind == "packed" else f"pack_{kind}")
                times, packed = getattr(operations, f"{kind}_linear"), [pack(*pair) for pair in weights]
                yield name, lambda x=x, times=times, packed=packed: [times(x, each) for each in packed]


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=9, help="times that each form runs")
    repeat = parser.parse_args().repeat
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread, ms of CPU time")
    print(f"{'':45}{'plain':>9}{'private':>9}{'gain':>7}")
    for part in (training, decoding):
        for (name, plain), (_, private) in zip(part(Plain()), part(Private()), strict=True):
            with torch.inference_mode(part is decoding):
                slow, fast = _medians([plain, private], repeat)
            print(f"{name:45}{slow * 1e3:9.2f}{fast * 1e3:9.2f}{slow / fast:7.2f}", flush=True)


def _medians(works: list[Work], repeat: int) -> list[float]:
    seconds: list[list[float]] = [[] for _ in works]
    for turn in range(repeat + 1):
        for each, work in zip(seconds, works, strict=True):
            start = time.process_time()
            work()
            if turn:
                each.append(time.process_time() - start)
    return [statistics.median(each) for each in seconds]


if __name__ == "__main__":
    main()
