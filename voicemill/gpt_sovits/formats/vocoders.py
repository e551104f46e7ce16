"""The vocoders that speak v3's and v4's mel frames, as their authors publish them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from voicemill.core import untrusted
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.flow_matching.bigvgan import BigVgan, BigVganSizes
from voicemill.gpt_sovits.flow_matching.dit import numbered
from voicemill.gpt_sovits.formats.checkpoints import load_exactly
from voicemill.gpt_sovits.formats.safe_reader import UnreadableCheckpoint, read_archive
from voicemill.gpt_sovits.sovits.layers import fold_weight_norm
from voicemill.gpt_sovits.sovits.vocoder import Vocoder, VocoderSizes
from voicemill.gpt_sovits.uninitialized import Uninitialized

_CONFIG, _WEIGHTS = "config.json", "bigvgan_generator.pt"
_BLOCK_WIDTHS = 3


def load_vocoder(path: Path, device: torch.device | str = "cpu") -> nn.Module:
    """Return a vocoder ready to speak: mel `[B, 100, T]` to a waveform `[B, 1, samples]`.

    Args:
        path: A folder of BigVGAN, or the `vocoder.pth` of v4.
        device: Where it speaks.

    Raises:
        InputError: It is neither, damaged, or holds anything but weights.
    """
    if path.is_dir():
        sizes = BigVganSizes.read(untrusted.read_json(path / _CONFIG, dict), path / _CONFIG)
        return _built(BigVgan, sizes, _weights(path / _WEIGHTS, "generator"), path / _WEIGHTS, device)
    weights = _weights(path)
    return _built(Vocoder, _sizes(weights, path), weights, path, device)


def _built(kind: Any, sizes: Any, weights: dict[str, Tensor], path: Path, device: torch.device | str) -> nn.Module:
    with Uninitialized():
        model = kind(sizes)
    try:
        load_exactly(model, normed(weights, model))
    except InputError as error:
        raise InputError(f"{path} is refused: {error}") from error
    fold_weight_norm(model)
    return model.eval().requires_grad_(False).to(device)


def normed(weights: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Return plain weights split into length and direction wherever a model has them so (weight norm)."""
    wanted, made = model.state_dict().keys(), dict(weights)
    for key in weights:
        if key not in wanted and f"{key}_v" in wanted:
            weight = made.pop(key).float()
            made |= {f"{key}_v": weight, f"{key}_g": torch.norm_except_dim(weight, 2, 0)}
    return made


def plain(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's weights, those under weight norm as what they amount to; the opposite of `normed`."""
    state = model.state_dict()
    made = {key: value for key, value in state.items() if not key.endswith((".weight_g", ".weight_v"))}
    for key in state:
        if key.endswith(".weight_v"):
            layer = model.get_submodule(key.removesuffix(".weight_v"))
            made[key.removesuffix("_v")] = cast(Tensor, layer.weight).detach()
    return made


def _weights(path: Path, entry: str = "") -> dict[str, Tensor]:
    try:
        contents = read_archive(path)
    except UnreadableCheckpoint as error:
        raise InputError(f"{path} is refused: {error}; get it again from a source that you trust") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    weights = contents.get(entry) if entry and isinstance(contents, dict) else contents
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise InputError(f"{path} has no weights of a vocoder")
    return weights


def _sizes(weights: Mapping[str, Tensor], path: Path) -> VocoderSizes:
    """Return the sizes that a v4 vocoder's weights have: it upsamples by half of each kernel's width."""
    try:
        channels, inputs, _ = weights["conv_pre.weight"].shape
        ups = [weights[f"ups.{i}.weight"].shape[-1] for i in range(numbered(weights, "ups."))]
        blocks = [weights[f"resblocks.{i}.convs1.0.weight"].shape[-1] for i in range(_BLOCK_WIDTHS)]
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} is not a vocoder of v4") from error
    if not ups or any(not 2 <= width <= 64 for width in ups) or any(not 0 < width <= 64 for width in blocks):
        raise InputError(f"{path} is refused: its vocoder has impossible sizes")
    rates = tuple(width // 2 for width in ups)
    return VocoderSizes(inputs, channels, rates, tuple(ups), tuple(blocks), final_bias="conv_post.bias" in weights)
