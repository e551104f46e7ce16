import pytest
import torch

from voicemill.gpt_sovits.formats.checkpoints import GptCheckpoint
from voicemill.gpt_sovits.gpt.config import GptConfig
from voicemill.gpt_sovits.gpt.data import Item
from voicemill.gpt_sovits.gpt.model import Gpt

TINY = GptConfig(embedding_dim=16, hidden_dim=16, head=2, n_layer=2)


def tiny_model(seed: int = 0) -> Gpt:
    torch.manual_seed(seed)
    return Gpt(TINY).eval()


@pytest.fixture
def model() -> Gpt:
    return tiny_model()


@pytest.fixture
def base() -> GptCheckpoint:
    return GptCheckpoint(TINY.to_dict(), tiny_model().state_dict(), "GPT-e0")


@pytest.fixture
def items() -> list[Item]:
    """Nine clips of one to three seconds, each with tokens of its own."""
    rng = torch.Generator().manual_seed(5)

    def numbers(count: int, below: int) -> list[int]:
        return torch.randint(1, below, (count,), generator=rng).tolist()

    return [Item(f"clip{n}.wav", numbers(10 + n, 700), numbers(25 + 6 * n, 1024)) for n in range(9)]
