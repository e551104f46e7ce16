"""Discriminators of the waveform: one at its own scale, and one for each period at which it can be folded (HiFi-GAN).

Shapes: B batch, C channels, T samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.gpt_sovits.features.spectrogram import mirrored
from voicemill.gpt_sovits.sovits.layers import NormedConv1d, NormedConv2d
from voicemill.gpt_sovits.sovits.vocoder import SLOPE

WIDTH = 1024
"""Channels of the published discriminators' widest layers."""

Judgement = tuple[Tensor, list[Tensor]]
"""Scores `[B, N]`, and the features of every layer, the scores' own last."""


def _judge(convs: nn.ModuleList, post: nn.Conv1d | nn.Conv2d, x: Tensor) -> Judgement:
    features = []
    for conv in cast(Iterable[nn.Conv1d | nn.Conv2d], convs):
        x = F.leaky_relu(conv(x), SLOPE)
        features.append(x)
    x = post(x)
    return x.flatten(1), [*features, x]


class ScaleDiscriminator(nn.Module):
    """Grouped convolutions over the samples."""

    def __init__(self, width: int = WIDTH):
        super().__init__()
        channels = (width // 64, width // 16, width // 4, width, width)
        groups = (4, 16, 64, 256)
        convs: list[nn.Module] = [NormedConv1d(1, channels[0], 15, padding=7)]
        for i, group in enumerate(groups):
            # A narrow model has fewer channels than the published number of groups.
            group = min(group, channels[i])
            convs.append(NormedConv1d(channels[i], channels[i + 1], 41, 4, groups=group, padding=20))
        self.convs = nn.ModuleList([*convs, NormedConv1d(width, width, 5, padding=2)])
        self.conv_post = NormedConv1d(width, 1, 3, padding=1)

    def forward(self, wav_B1T: Tensor) -> Judgement:
        return _judge(self.convs, self.conv_post, wav_B1T)


class PeriodDiscriminator(nn.Module):
    """Convolutions over every `period`-th sample."""

    def __init__(self, period: int, width: int = WIDTH):
        super().__init__()
        self.period = period
        channels = (1, width // 32, width // 8, width // 2, width, width)
        strides = (3, 3, 3, 3, 1)
        self.convs = nn.ModuleList(
            NormedConv2d(before, after, (5, 1), (stride, 1), padding=(2, 0))
            for before, after, stride in zip(channels, channels[1:], strides, strict=False)
        )
        self.conv_post = NormedConv2d(width, 1, (3, 1), padding=(1, 0))

    def forward(self, wav_B1T: Tensor) -> Judgement:
        lacking = -wav_B1T.shape[-1] % self.period
        padded = mirrored(wav_B1T, 0, lacking) if lacking else wav_B1T
        return _judge(self.convs, self.conv_post, padded.unflatten(-1, (-1, self.period)))


class Discriminator(nn.Module):
    """The scale discriminator and one period discriminator for each period.

    Args:
        periods: See `SovitsConfig.discriminator_periods`.
        width: Channels of the widest layers; `width_of` tells it from a checkpoint.
    """

    def __init__(self, periods: Sequence[int], width: int = WIDTH):
        super().__init__()
        self.discriminators = nn.ModuleList(
            [ScaleDiscriminator(width), *(PeriodDiscriminator(period, width) for period in periods)]
        )

    @staticmethod
    def width_of(weights: dict[str, Tensor]) -> int:
        """Width of the discriminator that the weights belong to."""
        return weights["discriminators.0.conv_post.weight_v"].shape[1]

    def forward(self, wav_B1T: Tensor) -> list[Judgement]:
        """Return one judgement for each discriminator."""
        return [discriminator(wav_B1T) for discriminator in self.discriminators]


def split_real_fake(judgements: list[Judgement], count: int) -> tuple[list[Judgement], list[Judgement]]:
    """Return the judgements of the first so many waves of a batch, and of the others."""
    first, others = (
        [(scores[part], [feature[part] for feature in features]) for scores, features in judgements]
        for part in (slice(count), slice(count, None))
    )
    return first, others
