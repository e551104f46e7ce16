"""Speaker vectors for v2Pro and v2ProPlus: ERes2NetV2 (Chen et al. 2024, arXiv:2406.02167) on log mel filter banks.

Shapes: B batch, n samples, T frames, M = 80 mel bands, C channels, F frequency rows.

Attribute names are those of the public checkpoint (3D-Speaker's `pretrained_eres2netv2w24s4ep4.ckpt`). GPT-SoVITS takes
the vector before the network's own pooling: 2048 channels x 10 frequency rows, averaged over time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voicemill.core.errors import InputError

RATE = 16_000
MEL_BANDS = 80
WIDTH, SCALE, EXPANSION = 24, 4, 4
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Channels, blocks and stride of each stage; the last two merge their groups by attention."""
_UNUSED = ("seg_1.", "seg_bn_1.", "seg_2.", "pool.")
SHORTEST_SAMPLES = 400


class Merge(nn.Module):
    """Weighs two feature maps against each other, place by place."""

    def __init__(self, channels: int):
        super().__init__()
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * channels, channels // 4, 1),
            nn.BatchNorm2d(channels // 4),
            nn.SiLU(),
            nn.Conv2d(channels // 4, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x_BCFT: Tensor, y_BCFT: Tensor) -> Tensor:
        weight_BCFT = torch.tanh(self.local_att(torch.cat([x_BCFT, y_BCFT], dim=1)))
        return x_BCFT * (1 + weight_BCFT) + y_BCFT * (1 - weight_BCFT)


class Block(nn.Module):
    """A residual block whose channels go through in groups, each group hearing the one before."""

    def __init__(self, channels_in: int, channels: int, stride: int, *, merges: bool):
        super().__init__()
        self.width = channels * WIDTH // 64
        out = channels * EXPANSION
        self.conv1 = nn.Conv2d(channels_in, self.width * SCALE, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(self.width * SCALE)
        self.convs = nn.ModuleList(nn.Conv2d(self.width, self.width, 3, padding=1, bias=False) for _ in range(SCALE))
        self.bns = nn.ModuleList(nn.BatchNorm2d(self.width) for _ in range(SCALE))
        self.fuse_models = nn.ModuleList(Merge(self.width) for _ in range(SCALE - 1)) if merges else None
        self.conv3 = nn.Conv2d(self.width * SCALE, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels_in != out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x_BCFT: Tensor) -> Tensor:
        parts = _clipped(self.bn1(self.conv1(x_BCFT))).split(self.width, dim=1)
        features = parts[0]
        groups = []
        for index, (conv, norm) in enumerate(zip(self.convs, self.bns, strict=True)):
            if index:
                features = (
                    self.fuse_models[index - 1](features, parts[index]) if self.fuse_models else features + parts[index]
                )
            features = _clipped(norm(conv(features)))
            groups.append(features)
        return _clipped(self.bn3(self.conv3(torch.cat(groups, dim=1))) + self.shortcut(x_BCFT))


def _clipped(x: Tensor) -> Tensor:
    return F.hardtanh(x, 0.0, 20.0)


class SpeakerEncoder(nn.Module):
    """ERes2NetV2 up to where its last two stages are merged.

    Args:
        first: Channels before the first stage.
        stages: See `STAGES`; those of smaller networks are told by `sizes_of`.
    """

    def __init__(self, first: int = STAGES[0][0], stages: Sequence[tuple[int, int, int]] = STAGES) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, first, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        channels_in = first
        layers = []
        for number, (channels, blocks, stride) in enumerate(stages):
            merges = number >= 2
            rest = (Block(channels * EXPANSION, channels, 1, merges=merges) for _ in range(blocks - 1))
            layers.append(nn.Sequential(Block(channels_in, channels, stride, merges=merges), *rest))
            channels_in = channels * EXPANSION
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        third = stages[2][0] * EXPANSION
        self.layer3_ds = nn.Conv2d(third, channels_in, 3, stride=2, padding=1, bias=False)
        self.fuse34 = Merge(channels_in)

    def forward(self, bank_BTM: Tensor) -> Tensor:
        """Vectors `[B, 20480]` of filter banks."""
        x_BCFT = F.relu(self.bn1(self.conv1(bank_BTM.transpose(1, 2).unsqueeze(1))))
        third = self.layer3(self.layer2(self.layer1(x_BCFT)))
        merged_BCFT = self.fuse34(self.layer4(third), self.layer3_ds(third))
        return merged_BCFT.flatten(1, 2).mean(-1)


def sizes_of(weights: Mapping[str, Tensor]) -> tuple[int, list[tuple[int, int, int]]]:
    """Channels before the first stage, and the stages, of the network that the weights belong to.

    Raises:
        KeyError: They belong to another one.
    """
    stages = []
    for number, (_, most, stride) in enumerate(STAGES, 1):
        blocks = sum(f"layer{number}.{block}.conv3.weight" in weights for block in range(most))
        stages.append((weights[f"layer{number}.0.conv3.weight"].shape[0] // EXPANSION, blocks, stride))
    return weights["conv1.weight"].shape[0], stages


def filter_bank(wav_1n: Tensor) -> Tensor:
    """Log mel filter bank `[1, T, M]` as Kaldi computes it, without dither, of samples `[1, n]` in [-1, 1] at 16 kHz.

    Raises:
        InputError: When there is not even one frame of 25 ms.
    """
    import torchaudio.compliance.kaldi as kaldi

    if wav_1n.shape[-1] < SHORTEST_SAMPLES:
        raise InputError(f"{1000 * wav_1n.shape[-1] / RATE:.0f} ms of audio are too short to recognise a speaker")
    return kaldi.fbank(wav_1n, num_mel_bins=MEL_BANDS, sample_frequency=RATE, dither=0.0).unsqueeze(0)


def build(weights: Mapping[str, Tensor], device: torch.device | str = "cpu") -> Callable[[Tensor], Tensor]:
    """Return the encoder with these weights: samples `[1, n]` at 16 kHz to a vector `[1, 20480]`.

    Raises:
        InputError: When they are not the weights of this network.
    """
    try:
        encoder = SpeakerEncoder(*sizes_of(weights))
        encoder.load_state_dict({key: value for key, value in weights.items() if not key.startswith(_UNUSED)})
    except (RuntimeError, KeyError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"not the weights of the speaker encoder: {reason:.300}") from error
    encoder = encoder.float().to(device).eval().requires_grad_(False)

    @torch.inference_mode()
    def encode(wav_1n: Tensor) -> Tensor:
        return encoder(filter_bank(wav_1n.cpu().float()).to(device))

    return encode


def load(file: Path, device: torch.device | str = "cpu") -> Callable[[Tensor], Tensor]:
    """Return the encoder of a checkpoint, as `build`.

    Raises:
        InputError: When the file cannot be read safely or holds something else.
    """
    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file provokes means the same: it cannot be used
        raise InputError(f"{file} is not a checkpoint that can be read safely ({error}); fetch it again") from error
    if not isinstance(weights, Mapping):
        raise InputError(f"{file} does not contain weights; fetch it again")
    return build(weights, device)
