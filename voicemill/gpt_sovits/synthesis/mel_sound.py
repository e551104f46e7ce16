"""Tokens to sound in v3 and v4: features, then mel frames drawn chunk by chunk, then a vocoder.

A chunk resumes from mel frames that are known: the first one of a line from the reference's, every later one from the
end of the chunk before. Chunks of different lines are drawn together.

Shapes: B batch, C features, M mel bands, T frames, P prompt frames.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.flow_matching.dit import BANDS
from voicemill.gpt_sovits.flow_matching.model import MelGenerator, denormalized
from voicemill.gpt_sovits.flow_matching.sampling import sample
from voicemill.gpt_sovits.sovits.model import Lengths
from voicemill.gpt_sovits.synthesis.chunks import Chunking
from voicemill.gpt_sovits.synthesis.fragments import Fragment, batches
from voicemill.gpt_sovits.synthesis.parts import Noise, Part
from voicemill.gpt_sovits.synthesis.recordings import prompt_mel, speaker_embedding
from voicemill.gpt_sovits.synthesis.reference import Reference
from voicemill.gpt_sovits.synthesis.script import Options, Prompt
from voicemill.gpt_sovits.synthesis.tensors import padded


@dataclass(frozen=True)
class MelVoice:
    """What v3 and v4 take from a reference: the speaker's embedding, and features and mel of the prompt's frames."""

    g_1G1: Tensor
    features_1CP: Tensor
    mel_1MP: Tensor

    @property
    def frames(self) -> int:
        return self.mel_1MP.shape[-1]


@dataclass
class _Line:
    """A part whose mel is being drawn.

    Attributes:
        chunks: Its features `[C, T]`, cut.
        noise: Standard normal noise for each chunk and its prompt, `[M, P + T]`.
        drawn: Mel `[M, T]` of the chunks that are done.
    """

    part: Part
    chunks: list[Tensor]
    noise: list[Tensor]
    drawn: list[Tensor] = field(default_factory=list)


class MelSound:
    """How v3 and v4 sound.

    Args:
        generator: In eval mode, with a vocoder.
        noise: Where its noise comes from.
        autocast: In what precision it computes.
        mel_of_last: See `Quirks.mel_of_last_reference`.
    """

    def __init__(
        self,
        generator: MelGenerator,
        noise: Noise,
        autocast: Callable[[], AbstractContextManager],
        *,
        mel_of_last: bool = False,
    ):
        self.generator, self.noise, self.autocast, self.mel_of_last = generator, noise, autocast, mel_of_last
        self.device = next(generator.parameters()).device
        self.mel = generator.mel
        self.rate = self.mel.output_rate

    def voice(self, reference: Reference, tokens: np.ndarray | None, text: Fragment | None) -> MelVoice:
        """Return the voice of a recording; as in GPT-SoVITS, a reference's other recordings do not count.

        Args:
            reference: The prompt's recording, and others.
            tokens: The prompt's tokens; None without a text.
            text: What is said in it.

        Raises:
            InputError: Without a text.
        """
        if text is None or tokens is None:
            version = self.generator.config.version
            raise InputError(
                f"{version} resumes from the words of its reference and cannot speak without them: give what is said "
                "in the reference recording, and leave use_prompt on"
            )
        with torch.no_grad(), self.autocast():
            known = reference.features
            if known:
                g_1G1 = torch.from_numpy(known.g_1G1).to(self.device)
            else:
                g_1G1 = speaker_embedding(reference.audio, self.generator, None)
            phones_1P = torch.tensor([text.phones], device=self.device)
            features_1CT = self.generator.features(
                torch.from_numpy(tokens).view(1, 1, -1).to(self.device), phones_1P, g_1G1
            )
        files = [reference.audio, *reference.others]
        return self.cut(g_1G1, features_1CT, prompt_mel(files[-1 if self.mel_of_last else 0], self.mel, self.device))

    def cut(self, g_1G1: Tensor, features_1CT: Tensor, mel_1MT: Tensor) -> MelVoice:
        """Return a voice whose features and mel are as long, the last of them where there are more than needed."""
        frames = min(mel_1MT.shape[-1], features_1CT.shape[-1])
        first = max(0, frames - self.mel.prompt_frames)
        return MelVoice(g_1G1, features_1CT[..., first:frames], mel_1MT[..., first:frames])

    @torch.inference_mode()
    def decode(self, utterances: list[list[Part]], prompt: Prompt, options: Options) -> None:
        """Give parts their sound, chunks of like length at once.

        Args:
            utterances: One part each.
            prompt: Whose voice.
            options: How.
        """
        voice = prompt.voice
        assert isinstance(voice, MelVoice), "a prompt of another version"
        parts = [part for utterance in utterances for part in utterance]
        size = options.decode_at_once or (options.batch_size if self.device.type == "cuda" else 1)
        with self.autocast():
            features = self._features(parts, voice, size)
            lines = [self._line(part, features_CT, voice) for part, features_CT in zip(parts, features, strict=True)]
            for round_ in range(max(len(line.chunks) for line in lines)):
                left = [line for line in lines if round_ < len(line.chunks)]
                for group in batches([line.chunks[round_].shape[-1] for line in left], size):
                    self._draw([left[index] for index in group], voice, options)
            for line in lines:
                line.part.sound = self.vocode(torch.cat(line.drawn, dim=-1).unsqueeze(0)).numpy()

    def chunked(self, part: Part, prompt: Prompt, limit: int, options: Options, chunking: Chunking) -> None:
        """Return None: a mel spectrogram is made of a whole fragment."""

    def vocode(self, mel_1MT: Tensor) -> Tensor:
        """Return the sound `[n]` of normalized mel frames."""
        assert self.generator.dec is not None, "a generator without a vocoder"
        return self.generator.dec(denormalized(mel_1MT))[0, 0].float().cpu()

    def _features(self, parts: list[Part], voice: MelVoice, size: int) -> list[Tensor]:
        """Features `[C, T]` of each part; parts at a speed of 1 are encoded together."""
        found: dict[int, Tensor] = {}
        alone = [[index] for index, part in enumerate(parts) if part.script.speed != 1]
        others = [index for index, part in enumerate(parts) if part.script.speed == 1]
        groups = batches([len(parts[index].tokens) for index in others], size)
        for group in alone + [[others[index] for index in group] for group in groups]:
            tokens = [torch.from_numpy(parts[index].tokens) for index in group]
            phones = [torch.tensor(parts[index].fragment.phones) for index in group]
            speed = parts[group[0]].script.speed
            features_BCT = self.generator.features(
                padded(tokens).unsqueeze(1).to(self.device),
                padded(phones).to(self.device),
                voice.g_1G1.expand(len(group), -1, -1),
                speed,
                Lengths.of(tokens, phones, self.device) if len(group) > 1 else None,
            )
            for index, spoken, features_CT in zip(group, tokens, features_BCT, strict=True):
                found[index] = features_CT[:, : self.generator.frames(len(spoken), speed)]
        return [found[index] for index in range(len(parts))]

    def _line(self, part: Part, features_CT: Tensor, voice: MelVoice) -> _Line:
        chunks = list(features_CT.split(self.mel.chunk_frames - voice.frames, dim=-1))
        noise = []
        for number, chunk in enumerate(chunks):
            known = voice.frames if number == 0 else min(voice.frames, chunks[number - 1].shape[-1])
            drawn = self.noise(part.seed(f"mel {number}"), (1, BANDS, known + chunk.shape[-1]))
            noise.append(torch.from_numpy(drawn[0]))
        return _Line(part, chunks, noise)

    def _draw(self, lines: list[_Line], voice: MelVoice, options: Options) -> None:
        """Draw the next chunk of each line."""
        numbers = [len(line.drawn) for line in lines]
        known = [(voice.features_1CP[0], voice.mel_1MP[0])] * len(lines)
        if numbers[0]:
            known = [
                (line.chunks[number - 1][:, -voice.frames :], line.drawn[-1][:, -voice.frames :])
                for line, number in zip(lines, numbers, strict=True)
            ]
        features = [
            torch.cat([before, line.chunks[number]], dim=-1)
            for (before, _), line, number in zip(known, lines, numbers, strict=True)
        ]
        lengths = [each.shape[-1] for each in features]
        noise = [line.noise[number] for line, number in zip(lines, numbers, strict=True)]
        mel_BMT = sample(
            self.generator.estimator,
            _together(features),
            torch.stack([mel for _, mel in known]),
            _together(noise).to(self.device),
            options.sample_steps or self.mel.sample_steps,
            options.guidance,
            torch.tensor(lengths, device=self.device) if len(lines) > 1 else None,
        )
        for line, mel_MT, length in zip(lines, mel_BMT, lengths, strict=True):
            line.drawn.append(mel_MT[:, known[0][1].shape[-1] : length])


def _together(rows: list[Tensor]) -> Tensor:
    """Return rows `[C, T]` as one tensor `[B, C, T]`, zeros after the shorter ones."""
    return padded([row.T for row in rows]).transpose(1, 2)
