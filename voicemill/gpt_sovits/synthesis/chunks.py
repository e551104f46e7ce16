"""Sound of a fragment while its tokens are still being chosen: chunk by chunk, each faded into the one before.

The prior reads all tokens that there are; flow and vocoder make only the frames that are needed, with as much before
them as they hear. Noise depends on a frame's place, so that two chunks agree where they overlap. A frame near the end
of what is known would sound a little different if the models had heard what follows: a chunk ends `ahead` tokens
before the last one, and the rest of the difference is faded over.

Shapes: C channels, T frames, G speaker embedding, L samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from voicemill.gpt_sovits.gpt.config import TOKENS_PER_SECOND
from voicemill.gpt_sovits.synthesis.latent_sound import LatentSound
from voicemill.gpt_sovits.synthesis.parts import Part

CONTEXT = 24
"""Tokens before a chunk that flow (16) and vocoder (6) hear, and a few more."""


@dataclass(frozen=True)
class Chunking:
    """How large chunks are, in tokens of 40 ms.

    Attributes:
        first: The first chunk: the smaller, the sooner something is heard.
        growth: How many times as long each next one is, for every chunk reads the whole fragment again.
        longest: None is longer.
        ahead: Tokens after a chunk that must be known.
        overlap: Length of the fade from a chunk to the next.
    """

    first: int = 12
    growth: float = 2.0
    longest: int = 100
    ahead: int = 8
    overlap: int = 1


class ChunkedSound:
    """The sound of one fragment, at a speed of 1.

    Args:
        sound: Makes the sound of whole fragments.
        part: The fragment.
        g_BG1: Speaker embedding.
        limit: Most tokens that it may have.
        noise_scale: How much of the prior's deviation is used.
        chunking: How it is cut.
    """

    def __init__(
        self, sound: LatentSound, part: Part, g_BG1: Tensor, limit: int, noise_scale: float, chunking: Chunking
    ):
        self.sound, self.g_BG1, self.noise_scale, self.chunking = sound, g_BG1, noise_scale, chunking
        sovits, device = sound.generator, sound.device
        self.phones_1P = torch.tensor([part.fragment.phones], device=device)
        shape = (1, sovits.config.inter_channels, limit * sovits.token_frames)
        self.noise_1CT = sound.noise(part.seed("noise"), shape).to(device)
        self.samples_of_token = sound.rate // TOKENS_PER_SECOND
        self.done = 0
        self.tail_L = torch.zeros(0)
        self._size = float(chunking.first)

    @property
    def wanted(self) -> int:
        """How many tokens the next chunk needs."""
        return self.done + int(self._size) + self.chunking.ahead

    @torch.inference_mode()
    def extend(self, tokens: Sequence[int], *, is_last: bool) -> Tensor:
        """Return samples that can be heard now `[L]`.

        Args:
            tokens: All tokens of the fragment so far; at least `wanted`, unless these are all.
            is_last: Whether these are all.
        """
        sovits, frames_of_token = self.sound.generator, self.sound.generator.token_frames
        overlap = min(self.chunking.overlap, self.done)
        end = len(tokens) if is_last else len(tokens) - self.chunking.ahead
        start = max(0, self.done - overlap - CONTEXT)
        first = start * frames_of_token
        with self.sound.autocast():
            codes_11T = torch.tensor([[list(tokens)]], device=self.sound.device)
            m_1CT, logs_1CT, mask_11T = (
                part[..., first:] for part in sovits.prior(codes_11T, self.phones_1P, self.g_BG1)
            )
            noise_1CT = self.noise_1CT[..., first : first + m_1CT.shape[-1]]
            z_p_1CT = m_1CT + noise_1CT * torch.exp(logs_1CT) * self.noise_scale
            z_1CT = sovits.flow.reverse(z_p_1CT, mask_11T, self.g_BG1)
            wav_L = sovits.dec(z_1CT * mask_11T, self.g_BG1)[0, 0].float().cpu()
        made_L = wav_L[(self.done - overlap - start) * self.samples_of_token : (end - start) * self.samples_of_token]
        made_L = self._faded(made_L)
        self.done, self._size = end, min(self._size * self.chunking.growth, self.chunking.longest)
        if is_last:
            return made_L
        kept = self.chunking.overlap * self.samples_of_token
        self.tail_L = made_L[-kept:]
        return made_L[:-kept]

    def _faded(self, made_L: Tensor) -> Tensor:
        """Return the samples after a fade from the end of the chunk before; the two agree but for small differences."""
        if not len(self.tail_L):
            return made_L
        overlap = len(self.tail_L)
        rise_L = (torch.arange(overlap) + 0.5) / overlap
        mixed_L = self.tail_L + (made_L[:overlap] - self.tail_L) * rise_L
        return torch.cat([mixed_L, made_L[overlap:]])
