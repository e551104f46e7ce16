"""GPT-SoVITS itself as the other implementation of `benchmarks.pairs`: a checkout of it that GSV_UPSTREAM names.

Nothing of it is part of this repository. What it imports has to be installed too; for v4 that is x-transformers.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.measured import Result, StateDicts, repeated, sketch

CHECKOUT = Path(os.environ["GSV_UPSTREAM"]).resolve()
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "GPT_SoVITS")]


def _v4() -> tuple[Any, Any]:
    """Its generator and vocoder of v4, seeded."""
    from module.models import Generator, SynthesizerTrnV3  # pyright: ignore[reportMissingImports]

    config = json.loads((CHECKOUT / "GPT_SoVITS/configs/s2.json").read_text(encoding="utf-8"))
    settings = config["model"] | {"version": "v4", "semantic_frame_rate": "25hz", "freeze_quantizer": True}
    torch.manual_seed(7)
    generator = SynthesizerTrnV3(1025, 32, n_speakers=300, **settings)
    # Its layers that begin at zero would let nothing of the others through.
    for parameter in generator.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    generator.quantizer.vq.layers[0]._codebook.embed.normal_()
    blocks = {"resblock": "1", "resblock_kernel_sizes": [3, 7, 11], "resblock_dilation_sizes": [[1, 3, 5]] * 3}
    vocoder = Generator(
        initial_channel=100,
        upsample_rates=[10, 6, 2, 2, 2],
        upsample_initial_channel=512,
        upsample_kernel_sizes=[20, 12, 4, 4, 4],
        is_bias=True,
        **blocks,
    )
    return generator.eval(), vocoder.eval()


def weights(task: str) -> StateDicts:
    """State dicts that ours get too."""
    assert task.startswith("v4"), f"{task} has no other implementation here"
    generator, vocoder = _v4()
    return {"generator": generator.state_dict(), "vocoder": vocoder.state_dict()}


@torch.inference_mode()
def v4_speak(given: dict[str, Any], repeat: int) -> Result:
    """4 s of sound, as its pipeline makes a fragment: features, mel in 8 steps after 3 s of prompt, vocoder."""
    generator, vocoder = _v4()
    vocoder.remove_weight_norm()
    _, speaker = generator.decode_encp(given["codes"], given["text"], given["refer"])

    def speak() -> torch.Tensor:
        spoken, _ = generator.decode_encp(given["codes"], given["text"], given["refer"], speaker, 1)
        features = torch.cat([given["prompt_features"], spoken], dim=2).transpose(2, 1)
        torch.manual_seed(1)
        lengths = torch.tensor([features.size(1)])
        mel = generator.cfm.inference(features, lengths, given["prompt_mel"], given["steps"], inference_cfg_rate=0)
        return vocoder((mel[:, :, given["prompt_mel"].shape[2] :] + 1) / 2 * 14 - 12)

    wav, result = repeated(speak, repeat)
    return result | {"audio_s": wav.shape[-1] / 48000, "sketch": sketch(wav)}
