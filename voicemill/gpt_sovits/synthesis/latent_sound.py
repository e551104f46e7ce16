"""Tokens to sound in v1 to v2ProPlus: one generator does it, its vocoder too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voicemill.gpt_sovits.gpt.lines import MAX_TOKENS
from voicemill.gpt_sovits.sovits.model import Generator, Lengths
from voicemill.gpt_sovits.synthesis.chunks import ChunkedSound, Chunking
from voicemill.gpt_sovits.synthesis.fragments import Fragment, batches
from voicemill.gpt_sovits.synthesis.parts import Noise, Part
from voicemill.gpt_sovits.synthesis.recordings import SpeakerEncoder, speaker_embedding
from voicemill.gpt_sovits.synthesis.reference import Reference
from voicemill.gpt_sovits.synthesis.script import Options, Prompt
from voicemill.gpt_sovits.synthesis.tensors import padded


@dataclass(frozen=True)
class Voice:
    """What v1 to v2ProPlus take from the references: the mean of their speaker embeddings."""

    g_1G1: Tensor


class LatentSound:
    """How v1 to v2ProPlus sound.

    Args:
        generator: In eval mode.
        noise: Where its noise comes from.
        autocast: In what precision it computes.
        speaker_encoder: v2Pro* only.
    """

    def __init__(
        self,
        generator: Generator,
        noise: Noise,
        autocast: Callable[[], AbstractContextManager],
        speaker_encoder: SpeakerEncoder | None,
    ):
        self.generator, self.noise, self.autocast, self.speaker_encoder = generator, noise, autocast, speaker_encoder
        self.device = next(generator.parameters()).device
        self.rate = generator.config.spec.output_rate

    def speaker(self, file: Path) -> Tensor:
        """Speaker embedding `[1, G, 1]` of a recording."""
        with self.autocast():
            return speaker_embedding(file, self.generator, self.speaker_encoder)

    def voice(self, reference: Reference, tokens: np.ndarray | None, text: Fragment | None) -> Voice:
        """Return the voice of a reference: the mean of its recordings' embeddings."""
        known = reference.features
        first_1G1 = torch.from_numpy(known.g_1G1).to(self.device) if known else self.speaker(reference.audio)
        return Voice(torch.stack([first_1G1, *map(self.speaker, reference.others)]).mean(0))

    @torch.inference_mode()
    def decode(self, utterances: list[list[Part]], prompt: Prompt, options: Options) -> None:
        """Give parts their sound, several utterances of like length at once.

        Args:
            utterances: Parts that are spoken in one breath; but for comparisons, one each.
            prompt: Whose voice.
            options: How.
        """
        for group in self._alike(utterances, options):
            self._decode(group, prompt, options)

    def _alike(self, utterances: list[list[Part]], options: Options) -> list[list[list[Part]]]:
        """Group utterances to be synthesized in one batch: of similar length, at a speed of 1, and on a GPU."""
        size = options.decode_at_once or (options.batch_size if self.device.type == "cuda" else 1)
        lengths = [sum(len(part.tokens) for part in parts) for parts in utterances]
        # No more at once than the longest line that there may be.
        size = max(1, min(size, MAX_TOKENS // max(1, *lengths)))
        alone = [[parts] for parts in utterances if parts[0].script.speed != 1]
        others = [index for index, parts in enumerate(utterances) if parts[0].script.speed == 1]
        groups = batches([lengths[index] for index in others], size)
        return alone + [[utterances[others[index]] for index in group] for group in groups]

    def _decode(self, utterances: list[list[Part]], prompt: Prompt, options: Options) -> None:
        """Sound of utterances, each of one or several parts; those of a batch have a speed of 1."""
        voice = prompt.voice
        assert isinstance(voice, Voice), "a prompt of another version"
        tokens = [torch.from_numpy(np.concatenate([part.tokens for part in parts])) for parts in utterances]
        phones = [torch.tensor([phone for part in parts for phone in part.fragment.phones]) for parts in utterances]
        speed = utterances[0][0].script.speed
        noise = []
        for parts, spoken in zip(utterances, tokens, strict=True):
            frames = len(spoken) * self.generator.token_frames
            frames = frames if speed == 1 else int(frames / speed) + 1
            shape = (1, self.generator.config.inter_channels, frames)
            noise.append(torch.from_numpy(self.noise(parts[0].seed("noise"), shape)[0].T))
        lengths = Lengths.of(tokens, phones, self.device) if len(utterances) > 1 else None
        with self.autocast():
            wav_B1L = self.generator.speak(
                padded(tokens).unsqueeze(1).to(self.device),
                padded(phones).to(self.device),
                voice.g_1G1,
                noise_scale=options.noise_scale,
                speed=speed,
                noise=padded(noise).transpose(1, 2).to(self.device),
                lengths=lengths,
            )
        for parts, spoken, wav_L in zip(utterances, tokens, wav_B1L[:, 0].float().cpu(), strict=True):
            wav_L = wav_L[: len(wav_L) * len(spoken) // max(map(len, tokens))]
            bounds = [len(part.tokens) * len(wav_L) // len(spoken) for part in parts]
            sounds = wav_L.split([*bounds[:-1], len(wav_L) - sum(bounds[:-1])])
            for part, sound in zip(parts, sounds, strict=True):
                part.sound = sound.numpy()

    def chunked(self, part: Part, prompt: Prompt, limit: int, options: Options, chunking: Chunking) -> ChunkedSound:
        """Return what makes a part's sound while its tokens are still chosen; see `Sound.chunked`.

        The prior reads all tokens that there are; flow and vocoder make only the frames that are asked for.
        """
        sovits, g_1G1 = self.generator, prompt.voice.g_1G1
        phones_1P = torch.tensor([part.fragment.phones], device=self.device)
        shape = (1, sovits.config.inter_channels, limit * sovits.token_frames)
        noise_1CT = torch.from_numpy(self.noise(part.seed("noise"), shape)).to(self.device)

        @torch.inference_mode()
        def stretch(tokens: Sequence[int], start: int) -> np.ndarray:
            first = start * sovits.token_frames
            with self.autocast():
                codes_11T = torch.tensor([[list(tokens)]], device=self.device)
                m_1CT, logs_1CT, mask_11T = (part[..., first:] for part in sovits.prior(codes_11T, phones_1P, g_1G1))
                drawn_1CT = noise_1CT[..., first : first + m_1CT.shape[-1]]
                z_p_1CT = m_1CT + drawn_1CT * torch.exp(logs_1CT) * options.noise_scale
                z_1CT = sovits.flow.reverse(z_p_1CT, mask_11T, g_1G1)
                return sovits.dec(z_1CT * mask_11T, g_1G1)[0, 0].float().cpu().numpy()

        return ChunkedSound(stretch, self.rate, chunking)
