"""Tokens to sound by the acoustic graph, in v1 to v2ProPlus.

Shapes: F frames of tokens, T frames of speech, C latent channels, G speaker embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.noise import seeded_noise
from voicemill.gpt_sovits.onnx.session import running, session
from voicemill.gpt_sovits.synthesis.chunks import ChunkedSound, Chunking
from voicemill.gpt_sovits.synthesis.fragments import Fragment
from voicemill.gpt_sovits.synthesis.parts import Part
from voicemill.gpt_sovits.synthesis.reference import Reference
from voicemill.gpt_sovits.synthesis.script import Options, Prompt


@dataclass(frozen=True)
class AcousticSizes:
    """Sizes that a program must know to run the acoustic graph; `onnx.json` has them.

    Attributes:
        sampling_rate: Of what it speaks, in Hz.
        frames_per_token: Frames of speech in a token: 2 of 20 ms each.
        latent_channels: Channels of its noise.
        speaker_channels: Size of speaker embeddings.
    """

    sampling_rate: int
    frames_per_token: int
    latent_channels: int
    speaker_channels: int

    def __post_init__(self) -> None:
        sizes = (self.sampling_rate, self.frames_per_token, self.latent_channels, self.speaker_channels)
        if not all(0 < size <= 2**16 for size in sizes):
            raise InputError(f"the sizes {sizes} do not fit a GPT-SoVITS acoustic model; export the voice again")


class OnnxSound:
    """How a voice of graphs sounds; see `voicemill.gpt_sovits.synthesis.sound.Sound`.

    Args:
        graph: What `acoustic_graph` returns, or a file of it.
        sizes: Of the model.
    """

    def __init__(self, graph: Path | bytes, sizes: AcousticSizes):
        self.sizes, self.rate = sizes, sizes.sampling_rate
        self.session = session(graph)

    def voice(self, reference: Reference, tokens: np.ndarray | None, text: Fragment | None) -> np.ndarray:
        """Return the speaker embedding `[1, G, 1]` of a reference.

        Raises:
            InputError: It is not known, or other recordings are to be averaged in, which graphs cannot hear.
        """
        if reference.others or reference.features is None:
            raise InputError(
                "a voice of ONNX graphs imitates its own reference clips only, which were read when it was exported; "
                "other recordings need the voice that it was made of"
            )
        return reference.features.g_1G1

    def decode(self, utterances: list[list[Part]], prompt: Prompt, options: Options) -> None:
        """Give parts their sound; see `Sound.decode`."""
        for part in (part for parts in utterances for part in parts):
            frames = len(part.tokens) * self.sizes.frames_per_token
            speed = part.script.speed
            noise_1CT = self._noise(part, frames if speed == 1 else int(frames / speed) + 1)
            part.sound = self._run(part.tokens, part, prompt.voice, noise_1CT, options.noise_scale, 0)

    def chunked(self, part: Part, prompt: Prompt, limit: int, options: Options, chunking: Chunking) -> ChunkedSound:
        """Return what makes a part's sound while its tokens are still chosen; see `Sound.chunked`."""
        noise_1CT = self._noise(part, limit * self.sizes.frames_per_token)

        def stretch(tokens: Sequence[int], start: int) -> np.ndarray:
            first, end = (count * self.sizes.frames_per_token for count in (start, len(tokens)))
            spoken = np.array(tokens, dtype=np.int64)
            return self._run(spoken, part, prompt.voice, noise_1CT[..., :end], options.noise_scale, first)

        return ChunkedSound(stretch, self.rate, chunking)

    def _noise(self, part: Part, frames: int) -> np.ndarray:
        return seeded_noise(part.seed("noise"), (1, self.sizes.latent_channels, frames))

    def _run(
        self, tokens: np.ndarray, part: Part, g_1G1: np.ndarray, noise_1CT: np.ndarray, noise_scale: float, first: int
    ) -> np.ndarray:
        inputs = {
            "tokens": np.repeat(tokens, self.sizes.frames_per_token)[None],
            "phones": np.array([part.fragment.phones], dtype=np.int64),
            "speaker": g_1G1,
            "noise": np.ascontiguousarray(noise_1CT),
            "noise_scale": np.array(noise_scale, dtype=np.float32),
            "first": np.array(first, dtype=np.int64),
        }
        with running("acoustic.onnx"):
            return self.session.run(["samples"], inputs)[0][0]  # type: ignore[index]
