"""Tokens to sound in v1 to v2ProPlus: one generator does it, its vocoder too."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor

from voicemill.gpt_sovits.gpt.decoding import MAX_TOKENS
from voicemill.gpt_sovits.sovits.model import Generator, Lengths
from voicemill.gpt_sovits.synthesis.fragments import Fragment, batches
from voicemill.gpt_sovits.synthesis.parts import Noise, Part, padded
from voicemill.gpt_sovits.synthesis.reference import Reference, SpeakerEncoder, Voice, speaker_embedding
from voicemill.gpt_sovits.synthesis.script import Options, Prompt


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

    def voice(self, reference: Reference, tokens: Tensor | None, text: Fragment | None) -> Voice:
        """Return the voice of a reference: the mean of its recordings' embeddings."""
        known = reference.features
        first_1G1 = known.g_1G1.to(self.device) if known else self.speaker(reference.audio)
        return Voice(torch.stack([first_1G1, *map(self.speaker, reference.others)]).mean(0))

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
        tokens = [torch.cat([part.tokens for part in parts]) for parts in utterances]
        phones = [torch.tensor([phone for part in parts for phone in part.fragment.phones]) for parts in utterances]
        speed = utterances[0][0].script.speed
        noise = []
        for parts, spoken in zip(utterances, tokens, strict=True):
            frames = len(spoken) * self.generator.token_frames
            frames = frames if speed == 1 else int(frames / speed) + 1
            shape = (1, self.generator.config.inter_channels, frames)
            noise.append(self.noise(parts[0].seed("noise"), shape)[0].T)
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
                part.sound = sound
