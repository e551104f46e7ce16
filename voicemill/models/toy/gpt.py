"""A toy token model: the public one's file, keys and vocabularies, with few and seeded weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voicemill.models.layout import place

if TYPE_CHECKING:
    from voicemill.gpt_sovits.gpt.model import Gpt

WIDTH, HEADS, LAYERS = 64, 4, 2
EOS_SCORE = 1.5
"""What EOS scores above the average token: enough to be drawn from the best 15 now and then, so that babble ends."""


def make_gpt(models: Path, seed: int = 0) -> None:
    """Write base checkpoints as the reference publishes them: half-precision `weight`, `config` of the yaml, `info`.

    Args:
        models: The models folder; v2's model and the one that the Pro versions share get their public names in it.
        seed: Seed of the weights.
    """
    import torch

    from voicemill.gpt_sovits.gpt.config import GptConfig
    from voicemill.gpt_sovits.gpt.model import Gpt

    config = GptConfig(embedding_dim=WIDTH, hidden_dim=WIDTH, head=HEADS, n_layer=LAYERS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Gpt(config)
        _lift_eos(model)
    train = {"seed": 1234, "epochs": 20, "batch_size": 8, "save_every_n_epoch": 1, "precision": "16-mixed"}
    schedule = {"lr": 0.01, "lr_init": 0.00001, "lr_end": 0.0001, "warmup_steps": 2000, "decay_steps": 40000}
    checkpoint = {
        "weight": {f"model.{key}": value.half() for key, value in model.state_dict().items()},
        "config": {"train": train, "optimizer": schedule, **config.to_dict()},
        "info": "GPT-e0",
    }
    for version in ("v2", "v2Pro"):
        file = models / place("gpt", version)
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(checkpoint, file)


def _lift_eos(model: Gpt) -> None:
    """Give EOS a nearly fixed score: the last layer's output gets a fixed part, and EOS listens to nothing else."""
    import torch

    last = model.get_submodule(f"h.layers.{model.config.n_layer - 1}.norm2")
    with torch.no_grad():
        constant = torch.sign(torch.randn(model.config.hidden_dim)) / 2
        last.get_parameter("bias").copy_(constant)
        model.ar_predict_layer.weight[model.config.eos] = EOS_SCORE * constant / constant.square().sum()
