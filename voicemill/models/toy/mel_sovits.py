"""Tiny SoVITS base models of v3 and v4, and their vocoders, in the reference's file formats."""

from __future__ import annotations

import json
from pathlib import Path

from voicemill.gpt_sovits.versions import Version
from voicemill.models.layout import place
from voicemill.models.toy.sovits import configuration, spread_codes

_WIDTH = 64


def make_mel_sovits(models: Path, seed: int = 0, version: Version = "v4") -> None:
    """Write a generator to start training from and the version's vocoder, in their places below a models folder.

    Args:
        models: The models folder.
        seed: Seed of the weights.
        version: v3 or v4.
    """
    import torch

    from voicemill.gpt_sovits.flow_matching.dit import DitSizes
    from voicemill.gpt_sovits.flow_matching.model import MelGenerator
    from voicemill.gpt_sovits.formats.checkpoints import SovitsCheckpoint, export_sovits
    from voicemill.gpt_sovits.sovits.config import SovitsConfig

    hps = configuration(version)
    hps["model"]["inter_channels"] = hps["model"]["hidden_channels"]
    config = SovitsConfig.read(hps["model"], version)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = DitSizes(_WIDTH, layers=2, heads=2, inner=_WIDTH, features=_WIDTH, feature_layers=2, text_layers=1)
        generator = MelGenerator(config, sizes)
        spread_codes(generator)
        write_vocoder = _write_bigvgan if version == "v3" else _write_hifi_gan
        for name in ("sovits-g", "vocoder"):
            (models / place(name, version)).parent.mkdir(parents=True, exist_ok=True)
        write_vocoder(models / place("vocoder", version))
    base = SovitsCheckpoint(config, generator.state_dict(), "toy", hps)
    export_sovits(models / place("sovits-g", version), base, as_base=True)


def _write_bigvgan(folder: Path) -> None:
    from dataclasses import asdict

    from voicemill.gpt_sovits.flow_matching.bigvgan import BigVgan, BigVganSizes
    from voicemill.gpt_sovits.formats import pickle_writer

    folder.mkdir()
    sizes = BigVganSizes(upsample_initial_channel=_WIDTH, resblock_kernel_sizes=(3,), resblock_dilation_sizes=((1, 3),))
    (folder / "config.json").write_text(json.dumps(asdict(sizes)))
    weights = {key: value.numpy() for key, value in BigVgan(sizes).state_dict().items()}
    pickle_writer.write_reference_file(folder / "bigvgan_generator.pt", {"generator": weights})


def _write_hifi_gan(path: Path) -> None:
    from voicemill.gpt_sovits.flow_matching.dit import BANDS
    from voicemill.gpt_sovits.formats import pickle_writer
    from voicemill.gpt_sovits.formats.vocoders import plain
    from voicemill.gpt_sovits.sovits.vocoder import Vocoder, VocoderSizes

    vocoder = Vocoder(VocoderSizes(BANDS, _WIDTH, (10, 6, 2, 2, 2), (20, 12, 4, 4, 4), final_bias=True))
    pickle_writer.write_reference_file(path, {key: value.numpy() for key, value in plain(vocoder).items()})
