"""Chinese BERT by torch and as a graph in each precision: size, loading, and reading a sentence.

    OMP_NUM_THREADS=1 python -m benchmarks.bert [--characters 40] [--rounds 3]

Of chinese-roberta-wwm-ext-large's size with seeded random weights. Printed are megabytes of the file, CPU seconds of
loading it and of a sentence (medians of rounds in which each takes its turn), and how far its rows are from torch's, as
the root mean square of the difference to that of the rows.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from transformers import BertConfig, BertModel

from voicemill.gpt_sovits.features.bert_rows import UNUSED_LAYERS
from voicemill.gpt_sovits.onnx.bert_graph import bert_graph
from voicemill.gpt_sovits.onnx.quantization import Weights, in_weights
from voicemill.gpt_sovits.onnx.session import session

WEIGHTS: tuple[Weights, ...] = ("fp32", "fp16", "int8")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bert", description=__doc__)
    parser.add_argument("--characters", type=int, default=40, help="length of the sentence")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the median is taken")
    arguments = parser.parse_args()
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=21_128, hidden_size=1024, num_hidden_layers=24 - UNUSED_LAYERS, num_attention_heads=16,
        intermediate_size=4096,
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False).eval()
    tokens_1T = torch.randint(0, config.vocab_size, (1, arguments.characters + 2))

    @torch.inference_mode()
    def by_torch() -> np.ndarray:
        return model(tokens_1T).last_hidden_state.numpy()

    readers, rows = {"torch": by_torch}, []
    with tempfile.TemporaryDirectory(prefix="voicemill-bert-") as work:
        graph = bert_graph(model)
        for weights in WEIGHTS:
            file = Path(work) / f"{weights}.onnx"
            onnx.save(in_weights(graph, weights), file)
            start = time.process_time()
            readers[weights] = _by_graph(file, tokens_1T.numpy())
            rows.append(
                f"{weights:8}{file.stat().st_size / 1e6:8.0f} MB{time.process_time() - start:8.2f} CPU s to load"
            )
            file.unlink()
        del graph
        found = {name: read() for name, read in readers.items()}
        took: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(arguments.rounds):
            for name, read in readers.items():
                start = time.process_time()
                read()
                took[name].append(time.process_time() - start)
    print("\n".join(rows))
    for name, seconds in took.items():
        error = np.sqrt(np.mean((found[name] - found["torch"]) ** 2) / np.mean(found["torch"] ** 2))
        print(f"{name:8}{statistics.median(seconds):8.3f} CPU s a sentence, {error:.1e} from torch's rows")


def _by_graph(file: Path, tokens_1T: np.ndarray) -> Callable[[], np.ndarray]:
    runs = session(file)
    return lambda: np.asarray(runs.run(["rows"], {"tokens": tokens_1T})[0])


if __name__ == "__main__":
    main()
