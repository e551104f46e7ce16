"""The token graph says what the token model says."""

import onnx
import pytest
import torch

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.gpt.config import GptConfig
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.decoding import generate
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.onnx.decoder import OnnxDecoder
from voicemill.gpt_sovits.onnx.quantization import BLOCK, pack, quantize
from voicemill.gpt_sovits.onnx.token_graph import token_graph

CONFIG = GptConfig(hidden_dim=64, embedding_dim=64, head=4, n_layer=3)
LENGTHS = (6, 17, 9)


@pytest.fixture(scope="module")
def model() -> Gpt:
    torch.manual_seed(5)
    return Gpt(CONFIG).eval()


@pytest.fixture(scope="module")
def graph(model: Gpt) -> onnx.ModelProto:
    return token_graph(model)


@pytest.fixture
def lines() -> tuple[list, list, list]:
    rng = torch.Generator().manual_seed(3)
    phones = [torch.randint(0, 732, (length,), generator=rng) for length in LENGTHS]
    bert = [torch.randn(1024, length, generator=rng) for length in LENGTHS]
    prompts = [torch.randint(0, 1024, (count,), generator=rng) if count else None for count in (12, 0, 5)]
    return phones, bert, prompts


def decoder(graph: onnx.ModelProto) -> OnnxDecoder:
    return OnnxDecoder(graph.SerializeToString(), CONFIG)


def test_the_graph_is_a_valid_one_of_standard_operators(graph: onnx.ModelProto) -> None:
    onnx.checker.check_model(graph, full_check=True)
    assert {node.domain for node in graph.graph.node} == {""}


@torch.no_grad()
def test_its_scores_are_those_of_the_model(model: Gpt, graph: onnx.ModelProto, lines: tuple) -> None:
    phones, bert, _ = lines
    prompts = [torch.arange(count) for count in (12, 3, 5)]
    plain, by_graph = Decoder(model), decoder(graph)
    for each in (plain, by_graph):
        each.reserve(3, 40)
    for row in range(3):
        given = [value.numpy() for value in (phones[row], bert[row], prompts[row])]
        scores = [torch.as_tensor(each.enter(row, *given)) for each in (plain, by_graph)]
        torch.testing.assert_close(*scores, rtol=1e-4, atol=1e-5)
    lengths = [len(phones[row]) + len(prompts[row]) for row in range(3)]
    for step in range(4):
        given = [7, 8, 9], [len(prompts[row]) + step for row in range(3)], [length + step for length in lengths]
        by_torch, by_onnx = (torch.as_tensor(each.step(*given)) for each in (plain, by_graph))
        torch.testing.assert_close(by_torch, by_onnx, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "sampling", [Sampling(), Sampling(top_k=1), Sampling(num_beams=3)], ids=["drawn", "greedy", "beams"]
)
def test_lines_are_spoken_as_by_torch(model: Gpt, graph: onnx.ModelProto, lines: tuple, sampling: Sampling) -> None:
    by_torch, by_graph = (
        generate(each, *lines, sampling, max_tokens=[150, 40, 40], seeds=[1, 2, 3], rows=2)
        for each in (model, decoder(graph))
    )
    assert [tokens.tolist() for tokens in by_torch] == [tokens.tolist() for tokens in by_graph]


def test_rows_move_and_grow(model: Gpt, graph: onnx.ModelProto, lines: tuple) -> None:
    phones, bert, prompts = lines
    alone = [
        generate(decoder(graph), [phones[row]], [bert[row]], [prompts[row]], max_tokens=[200], seeds=[row])[0]
        for row in range(3)
    ]
    together = generate(decoder(graph), phones, bert, prompts, max_tokens=[200] * 3, seeds=[0, 1, 2])
    assert [tokens.tolist() for tokens in alone] == [tokens.tolist() for tokens in together]


@pytest.mark.parametrize(("bits", "most"), [(8, 0.01), (4, 0.12)])
def test_weights_in_blocks_are_near_the_weights(bits: int, most: float) -> None:
    weight_IO = torch.randn(2 * BLOCK, 48, generator=torch.Generator().manual_seed(1)).numpy()
    packed, scales = pack(weight_IO, bits)
    levels = packed if bits == 8 else torch.stack([torch.tensor(packed & 15), torch.tensor(packed >> 4)], -1).numpy()
    levels = levels.reshape(48, 2, BLOCK).astype("float32") - (1 << (bits - 1))
    restored = (levels * scales.reshape(48, 2, 1)).reshape(48, -1).T
    assert abs(restored - weight_IO).max() < most * abs(weight_IO).max()
    assert packed.nbytes == weight_IO.size * bits // 8


@torch.no_grad()
@pytest.mark.parametrize(("bits", "most"), [(8, 0.05), (4, 0.5)])
def test_a_quantized_graph_speaks_nearly_the_same(
    model: Gpt, graph: onnx.ModelProto, lines: tuple, bits: int, most: float
) -> None:
    small = quantize(graph, bits)
    onnx.checker.check_model(small)
    assert small.ByteSize() < graph.ByteSize() * (0.75 if bits == 8 else 0.7)
    exact, rounded = decoder(graph), decoder(small)
    scores = []
    for each in (exact, rounded):
        each.reserve(1, 40)
        scores.append(each.enter(0, *(part[0].numpy() for part in lines)))
    assert abs(scores[0] - scores[1]).max() < most * abs(scores[0]).max()


def test_lines_do_not_influence_one_another_in_int8(graph: onnx.ModelProto, lines: tuple) -> None:
    small = quantize(graph, 8)
    together = generate(decoder(small), *lines, max_tokens=[40] * 3, seeds=[0, 1, 2])
    for row in range(3):
        alone = generate(decoder(small), *([part[row]] for part in lines), max_tokens=[40], seeds=[row])
        assert alone[0].tolist() == together[row].tolist()


def test_what_is_no_graph_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match="cannot be run by ONNX Runtime"):
        OnnxDecoder(b"nothing", CONFIG)


def test_other_numbers_of_bits_are_refused(graph: onnx.ModelProto) -> None:
    with pytest.raises(ValueError, match="4 or 8 bits, not 3"):
        quantize(graph, 3)
