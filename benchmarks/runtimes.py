"""How fast the token model speaks by torch and by ONNX Runtime, side by side on the CPU.

    python -m benchmarks.runtimes [--tokens 100] [--rounds 3]

Full-size v2 token model with seeded random weights that float16 holds; every round asks each in turn. Printed are CPU
milliseconds for reading a line (90 phonemes, 160 tokens of prompt), for a step of one line, and for a step of sixteen;
medians of the rounds, and how many times as fast as torch's default each is.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from voicemill.gpt_sovits.gpt.choosing import TokenDecoder
from voicemill.gpt_sovits.gpt.config import BERT_CHANNELS, GptConfig
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.decoding import generate
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.kernels.linear import weights_for
from voicemill.gpt_sovits.onnx.conversion import decoder_of

PHONES, PROMPT = 90, 160
CASES = {"reading a line": (1, 1), "a step of 1 line": (1, 0), "a step of 16 lines": (16, 0)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runtimes", description=__doc__)
    parser.add_argument("--tokens", type=int, default=100, help="tokens of a line that is timed")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the median is taken")
    arguments = parser.parse_args()
    model = seeded()
    makers: dict[str, Callable[[], TokenDecoder]] = {
        "torch": lambda: Decoder(model, weights_for("fp32", torch.device("cpu"), model)),
        "torch int8": lambda: Decoder(model, "int8"),
        "onnx": lambda: decoder_of(model),
        "onnx int8": lambda: decoder_of(model, 8),
        "onnx int4": lambda: decoder_of(model, 4),
    }
    decoders = {name: make() for name, make in makers.items()}
    print(f"{'':20}" + "".join(f"{name:>20}" for name in decoders))
    for case, (rows, only_first) in CASES.items():
        tokens = 1 if only_first else max(2, arguments.tokens // rows)
        took: dict[str, list[float]] = {name: [] for name in decoders}
        for _ in range(arguments.rounds):
            for name, decoder in decoders.items():
                first = seconds(decoder, rows, 1)
                took[name].append(first if only_first else (seconds(decoder, rows, tokens) - first) / (tokens - 1))
        medians = {name: 1000 * statistics.median(values) for name, values in took.items()}
        cells = [f"{value:.1f} ms ({medians['torch'] / value:.2f}x)" for value in medians.values()]
        print(f"{case:20}" + "".join(f"{cell:>20}" for cell in cells))


def seeded() -> Gpt:
    """Return a full-size model that never ends a line."""
    torch.manual_seed(0)
    model = Gpt(GptConfig()).eval()
    for weight in model.parameters():
        weight.data = weight.data.half().float()
    model.ar_predict_layer.weight.data[model.config.eos] = 0
    return model


def seconds(decoder: TokenDecoder, rows: int, tokens: int) -> float:
    """Return the CPU seconds of so many tokens of so many lines."""
    rng = torch.Generator().manual_seed(1)
    phones = [torch.randint(0, 700, (PHONES,), generator=rng) for _ in range(rows)]
    prompts = [torch.randint(0, 1024, (PROMPT,), generator=rng) for _ in range(rows)]
    bert = [torch.zeros(BERT_CHANNELS, PHONES)] * rows
    start = time.process_time()
    generate(decoder, phones, bert, prompts, Sampling(), max_tokens=[tokens] * rows, seeds=list(range(rows)))
    return time.process_time() - start


if __name__ == "__main__":
    main()
