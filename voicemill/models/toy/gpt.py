"""A toy token model: the public one's file, keys and vocabularies, with few and seeded weights."""

from __future__ import annotations

from pathlib import Path

WIDTH, HEADS, LAYERS = 64, 4, 2
EOS_SCORE = 1.5
"""How much likelier than another token EOS is on average: untrained, it then ends a line after a second or two."""


def make_gpt(file: Path, seed: int = 0) -> None:
    """Write a base checkpoint as the reference publishes it: half-precision `weight`, `config` of the yaml, `info`.

    Args:
        file: The checkpoint, under its public name.
        seed: Seed of the weights.
    """
    import torch

    from voicemill.gpt_sovits.gpt.config import GptConfig
    from voicemill.gpt_sovits.gpt.model import Gpt

    config = GptConfig(embedding_dim=WIDTH, hidden_dim=WIDTH, head=HEADS, n_layer=LAYERS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Gpt(config)
    train = {"seed": 1234, "epochs": 20, "batch_size": 8, "save_every_n_epoch": 1, "precision": "16-mixed"}
    schedule = {"lr": 0.01, "lr_init": 0.00001, "lr_end": 0.0001, "warmup_steps": 2000, "decay_steps": 40000}
    checkpoint = {
        "weight": {f"model.{key}": value.half() for key, value in model.state_dict().items()},
        "config": {"train": train, "optimizer": schedule, **config.to_dict()},
        "info": "GPT-e0",
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(checkpoint, file)
