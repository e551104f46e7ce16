"""Tiny SoVITS base models in the reference's file formats.

Every part of the real models is there with fewer channels and layers, so that a training step takes a fraction of a
second. What they say means nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicemill.gpt_sovits.versions import Version, spec
from voicemill.models.layout import place

if TYPE_CHECKING:
    from voicemill.gpt_sovits.sovits.model import Tokenizing

DISCRIMINATOR_WIDTH = 64


def make_sovits(models: Path, seed: int = 0, version: Version = "v2") -> None:
    """Write a generator and a discriminator to start training from, in their places below a models folder.

    Args:
        models: The models folder.
        seed: Seed of the weights.
        version: Model version.
    """
    import torch

    from voicemill.gpt_sovits.formats.checkpoints import SovitsCheckpoint, export_discriminator, export_sovits
    from voicemill.gpt_sovits.sovits.config import SovitsConfig
    from voicemill.gpt_sovits.sovits.discriminator import Discriminator
    from voicemill.gpt_sovits.sovits.model import Generator

    hps = configuration(version)
    config = SovitsConfig.read(hps["model"], version)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = Generator(config)
        spread_codes(generator)
        discriminator = Discriminator(config.discriminator_periods, DISCRIMINATOR_WIDTH)
    for name in ("sovits-g", "sovits-d"):
        (models / place(name, version)).parent.mkdir(parents=True, exist_ok=True)
    base = SovitsCheckpoint(config, generator.state_dict(), "toy", hps)
    export_sovits(models / place("sovits-g", version), base, as_base=True)
    export_discriminator(models / place("sovits-d", version), discriminator.state_dict(), hps)


def spread_codes(generator: Tokenizing) -> None:
    """Make a codebook as wide as the features that it quantizes, so that different sounds get different tokens."""
    generator.codebook.embed.normal_(std=0.4)
    generator.codebook.embed_avg.copy_(generator.codebook.embed)
    generator.codebook.cluster_size.fill_(1.0)


def configuration(version: str) -> dict[str, Any]:
    """Return a configuration with the sections of the reference's `configs/s2.json`, sizes reduced."""
    pro = spec(version).speaker_vectors
    return {
        "train": {
            "seed": 1234,
            "epochs": 100,
            "learning_rate": 0.0001,
            "betas": [0.8, 0.99],
            "eps": 1e-09,
            "batch_size": 32,
            "lr_decay": 0.999875,
            "segment_size": 20480,
            "c_mel": 45,
            "c_kl": 1.0,
            "text_low_lr_rate": 0.4,
        },
        "data": {
            "max_wav_value": 32768.0,
            "sampling_rate": 32000,
            "filter_length": 2048,
            "hop_length": 640,
            "win_length": 2048,
            "n_mel_channels": 128,
            "mel_fmin": 0.0,
            "mel_fmax": None,
            "n_speakers": 300,
        },
        "model": {
            "inter_channels": 32,
            "hidden_channels": 48,
            "filter_channels": 64,
            "n_heads": 2,
            "n_layers": 2,
            "kernel_size": 3,
            "p_dropout": 0.0 if pro else 0.1,
            "resblock": "1",
            "resblock_kernel_sizes": [3, 7, 11],
            "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
            "upsample_rates": [10, 8, 2, 2, 2],
            "upsample_initial_channel": 64,
            "upsample_kernel_sizes": [20 if version == "v2ProPlus" else 16, 16, 8, 2, 2],
            "use_spectral_norm": False,
            "gin_channels": 64 if pro else 512,
            "semantic_frame_rate": "25hz",
            "freeze_quantizer": True,
            "version": version,
        },
    }
