"""Speaks by torch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch

from voicemill.gpt_sovits.flow_matching.model import MelGenerator
from voicemill.gpt_sovits.gpt.choosing import TokenDecoder
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.kernels.linear import weights_for
from voicemill.gpt_sovits.kernels.packed_vocoder import pack_vocoder
from voicemill.gpt_sovits.noise import seeded_noise
from voicemill.gpt_sovits.sovits.compiled import compile_vocoder
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.synthesis.fragments import BertFeatures
from voicemill.gpt_sovits.synthesis.latent_sound import LatentSound
from voicemill.gpt_sovits.synthesis.mel_sound import MelSound
from voicemill.gpt_sovits.synthesis.parts import Noise, Part, Word
from voicemill.gpt_sovits.synthesis.recordings import ContentEncoder, SpeakerEncoder, prompt_samples, prompt_tokens
from voicemill.gpt_sovits.synthesis.reference import Reference
from voicemill.gpt_sovits.synthesis.script import Mark, Prompt, Quirks
from voicemill.gpt_sovits.synthesis.speaker import Speaker
from voicemill.gpt_sovits.synthesis.timing import part_times
from voicemill.text import BY_DICTIONARIES, Reading


@dataclass
class Synthesizer(Speaker):
    """The models that speak together, in torch (the token model by ONNX Runtime, where it is given so).

    Attributes:
        sovits: Tokens to sound, in eval mode; v3's and v4's with a vocoder.
        gpt: Text to tokens: a model, of which a decoder is made, or a decoder.
        hubert: Content of the reference.
        bert: BERT rows of Mandarin text.
        speaker_encoder: v2Pro* only.
        precision: `auto` (half precision on a GPU), `fp32`, `bf16`, `fp16`, or on a CPU `int8`: the token model's
            weights in int8, with which a line's tokens may depend a little on the lines beside it, and the vocoder in
            bfloat16 where the processor has it.
        compiled: Compile the vocoder when it is first used.
        sound: How tokens become sound, which depends on the version.
        noise: Where SoVITS's noise comes from: (seed, shape).
        quirks: For comparisons with the reference.
        reading: The user's own pronunciations, and who reads polyphones.
        mark: Marks every fragment that is spoken as generated; None leaves them unmarked.
    """

    sovits: Generator | MelGenerator
    gpt: Gpt | TokenDecoder
    hubert: ContentEncoder
    bert: BertFeatures
    speaker_encoder: SpeakerEncoder | None = None
    precision: str = "auto"
    compiled: bool = False
    noise: Noise = field(default=seeded_noise)
    quirks: Quirks = Quirks()
    reading: Reading = BY_DICTIONARIES
    mark: Mark | None = None
    sound: LatentSound | MelSound = field(init=False)

    def __post_init__(self) -> None:
        self.device = next(self.sovits.parameters()).device
        name = self.precision
        if name == "auto":
            name = "fp16" if self.device.type == "cuda" else "fp32"
        self.dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(name, torch.float32)
        decoder = self._decoder(self.gpt, name) if isinstance(self.gpt, Gpt) else self.gpt
        # The model itself is not kept: packed weights take its place.
        self.gpt = self.decoder = decoder
        if self.compiled:
            compile_vocoder(self.sovits)
        else:
            pack_vocoder(self.sovits, torch.bfloat16 if name == "int8" else self.dtype)
        if isinstance(self.sovits, MelGenerator):
            last = self.quirks.mel_of_last_reference
            self.sound = MelSound(self.sovits, self.noise, self._autocast, mel_of_last=last)
        else:
            self.sound = LatentSound(self.sovits, self.noise, self._autocast, self.speaker_encoder)

    def _decoder(self, model: Gpt, precision: str) -> Decoder:
        weights = weights_for(precision, self.device, model)
        activations = self.dtype if weights == "plain" else torch.float32
        return Decoder(model.to(self.device, activations).eval(), weights)

    @property
    def version(self) -> str:
        return self.sovits.config.version

    def heard(self, reference: Reference, *, has_words: bool) -> np.ndarray | None:
        """Return the tokens of a reference's recording; see `Speaker.heard`."""
        if not has_words:
            if reference.features is None:
                prompt_samples(reference.audio)
            return None
        if reference.features:
            return reference.features.tokens_T
        return prompt_tokens(reference.audio, self.hubert, self.sovits)

    @torch.inference_mode()
    def words(self, part: Part, prompt: Prompt) -> list[Word]:
        """Return when each word of a part is heard; see `Speaker.words`."""
        if not isinstance(self.decoder, Decoder):
            return super().words(part, prompt)
        return part_times(self.decoder, part, prompt, self.version, self.reading, self.sound.rate)

    def _autocast(self) -> AbstractContextManager:
        # On a CPU only the vocoder, which takes the most time, computes in less than fp32.
        if self.dtype == torch.float32 or self.device.type == "cpu":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)
