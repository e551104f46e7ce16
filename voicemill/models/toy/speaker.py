"""A toy speaker encoder: the public one's file and vectors, with few channels before the last stage."""

from __future__ import annotations

from pathlib import Path

from voicemill.models.layout import place

FIRST = 8
STAGES = ((8, 1, 1), (16, 1, 2), (16, 1, 2), (512, 1, 2))


def make_speaker_encoder(models: Path, seed: int = 0) -> None:
    """Write the speaker encoder in its place below a models folder.

    Args:
        models: The models folder.
        seed: Seed of the weights.
    """
    import torch

    from voicemill.gpt_sovits.features.speaker_encoder import SpeakerEncoder

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = SpeakerEncoder(FIRST, STAGES).state_dict()
    file = models / place("speaker-encoder")
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({key: value.half() if value.is_floating_point() else value for key, value in weights.items()}, file)
