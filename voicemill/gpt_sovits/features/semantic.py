"""Semantic tokens: HuBERT's vectors, quantized by the pretrained SoVITS to 25 codes a second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from voicemill.gpt_sovits.sovits.model import Tokenizing


def load(checkpoint: Path, device: str | torch.device = "cpu") -> Tokenizing:
    """Load a SoVITS generator from its weights file, for inference in float32.

    Raises:
        InputError: The file is not a SoVITS checkpoint.
    """
    from voicemill.gpt_sovits.formats.checkpoints import build_generator, build_mel_generator, load_sovits

    found = load_sovits(checkpoint)
    return build_mel_generator(found, device=device) if found.config.spec.mel else build_generator(found, device)


@torch.no_grad()
def codes(generator: Tokenizing, ssl_1CT: torch.Tensor) -> list[int]:
    """Return the tokens of one clip.

    Args:
        generator: From `load`.
        ssl_1CT: From `hubert.features`, `[1, 768, T]`.

    Returns:
        `T // 2` codes in [0, 1023].
    """
    device = next(generator.parameters()).device
    return generator.extract_codes(ssl_1CT.to(device))[0, 0].tolist()
