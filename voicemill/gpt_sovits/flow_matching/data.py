"""Clips to train v3 and v4 on: those of the other versions, with mel frames in place of the wave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from voicemill.audio.resampling import resample_ffmpeg
from voicemill.gpt_sovits.features.spectrogram import SAMPLE_RATE
from voicemill.gpt_sovits.flow_matching.model import mel_of
from voicemill.gpt_sovits.sovits.data import Example, padded_frames
from voicemill.gpt_sovits.versions import MelSpec


@dataclass
class MelBatch:
    """Padded clips, longest first."""

    ssl_BCT: Tensor
    spec_BFT: Tensor
    spec_lengths_B: Tensor
    mel_BMT: Tensor
    mel_lengths_B: Tensor
    phones_BP: Tensor
    phone_lengths_B: Tensor

    def __len__(self) -> int:
        return len(self.spec_lengths_B)

    def _map(self, change: Callable[[Tensor], Tensor]) -> MelBatch:
        return MelBatch(*(change(getattr(self, field.name)) for field in fields(self)))

    def pin_memory(self) -> MelBatch:
        """Return the same where a GPU reads it without waiting."""
        return self._map(lambda x: x if x.is_cuda else x.pin_memory())

    def to(self, device: torch.device) -> MelBatch:
        return self._map(lambda x: x.to(device, non_blocking=True))

    def part(self, place: slice) -> MelBatch:
        return self._map(lambda x: x[place])


def mel_of_clip(example: Example, mel: MelSpec) -> Tensor:
    """Normalized mel `[M, T]` of a clip; as the reference does, by ffmpeg's resampler where the rate is another."""
    samples = example.wav_1L[0].cpu().numpy()
    if mel.rate != SAMPLE_RATE:
        samples = resample_ffmpeg(samples, SAMPLE_RATE, mel.rate)
    return mel_of(torch.from_numpy(np.ascontiguousarray(samples)).unsqueeze(0), mel)[0]


def collate(examples: Sequence[Example], mel: MelSpec) -> MelBatch:
    """Pad clips with zeros to a batch, longest first."""
    ordered = sorted(examples, key=lambda example: example.spec_FT.shape[1], reverse=True)
    frames = padded_frames(ordered[0].spec_FT.shape[1])
    mels = [mel_of_clip(example, mel) for example in ordered]
    # The reference pads v3's to whole multiples of 8 frames of features.
    room = int(8 * ((frames + 7) // 8) * mel.stretch) if mel.stretch % 1 else int(frames * mel.stretch)

    def padded(rows: Sequence[Tensor], length: int) -> Tensor:
        return torch.stack([F.pad(row, (0, length - row.shape[-1])) for row in rows])

    def lengths(rows: Sequence[Tensor]) -> Tensor:
        return torch.tensor([row.shape[-1] for row in rows])

    phones = [example.phones_P for example in ordered]
    return MelBatch(
        padded([example.ssl_1CT[0] for example in ordered], frames),
        padded([example.spec_FT for example in ordered], frames),
        lengths([example.spec_FT for example in ordered]),
        padded([each[:, :room] for each in mels], room),
        lengths(mels),
        padded(phones, max(map(len, phones))),
        lengths(phones),
    )
