"""Speaks: text to fragments, fragments to tokens (many at once), tokens to sound, fragments to lines."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor
from transformers import HubertModel

from voicemill.errors import InputError
from voicemill.gpt_sovits.gpt.config import TOKENS_PER_SECOND
from voicemill.gpt_sovits.gpt.data import MIN_PHONES_PER_SECOND
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.decoding import MAX_TOKENS, generate
from voicemill.gpt_sovits.gpt.linear import weights_for
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.sovits.packed_vocoder import pack_vocoder
from voicemill.gpt_sovits.spectrogram import SAMPLE_RATE
from voicemill.gpt_sovits.synthesis import waveform
from voicemill.gpt_sovits.synthesis.fragments import (
    BertFeatures,
    Fragment,
    batches,
    fragments,
    full_stop,
    pronounce,
    unpronounced,
)
from voicemill.gpt_sovits.synthesis.reference import Reference, SpeakerEncoder, Voice, prompt_tokens, voice_of
from voicemill.gpt_sovits.synthesis.script import Options, Prompt, Quirks, Script, Speech
from voicemill.text import BY_DICTIONARIES, Reading

AS_REFERENCE = Options()
Noise = Callable[[int, tuple[int, ...]], Tensor]


def seeded_noise(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal noise that depends on the seed and the shape only, on every device."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@dataclass
class Synthesizer:
    """The models that speak together.

    Attributes:
        sovits: Tokens to sound, in eval mode.
        gpt: Text to tokens: a model, of which a decoder is made, or a decoder.
        hubert: Content of the reference.
        bert: BERT rows of Mandarin text.
        speaker_encoder: v2Pro* only.
        precision: `auto` (half precision on a GPU), `fp32`, `bf16`, `fp16`, or `int8` for the token model's weights on
            a CPU, with which a line's tokens may depend a little on the lines beside it.
        noise: Where SoVITS's noise comes from: (seed, shape).
        quirks: For comparisons with the reference.
        reading: The user's own pronunciations, and who reads polyphones.
    """

    sovits: Generator
    gpt: Gpt | Decoder
    hubert: HubertModel
    bert: BertFeatures
    speaker_encoder: SpeakerEncoder | None = None
    precision: str = "auto"
    noise: Noise = field(default=seeded_noise)
    quirks: Quirks = Quirks()
    reading: Reading = BY_DICTIONARIES

    def __post_init__(self) -> None:
        self.device = next(self.sovits.parameters()).device
        name = self.precision
        if name == "auto":
            name = "fp16" if self.device.type == "cuda" else "fp32"
        self.dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(name, torch.float32)
        if isinstance(self.gpt, Gpt):
            weights = weights_for(name, self.device)
            activations = self.dtype if weights == "plain" else torch.float32
            self.gpt = Decoder(self.gpt.to(self.device, activations).eval(), weights)
        pack_vocoder(self.sovits, self.dtype)

    @property
    def version(self) -> str:
        return self.sovits.config.version

    def prepare(self, reference: Reference) -> Prompt:
        """Read a reference.

        Raises:
            InputError: When it cannot be read, is not 3 to 10 seconds long, or its text cannot be pronounced.
        """
        tokens = prompt_tokens(reference.audio, self.hubert, self.sovits)
        text = full_stop(reference.text, reference.language)
        fragment = None
        if text:
            fragment = pronounce(
                text,
                reference.language,
                self.version,
                self.bert,
                as_reference=self.quirks.read_as_reference,
                reading=self.reading,
            )
            if not fragment.is_heard(self.version):
                raise InputError(f"the reference's text {reference.text!r} cannot be pronounced; correct it")
        voice = voice_of([reference.audio, *reference.others], self.speaker_encoder, self.device)
        return Prompt(tokens if fragment else None, fragment, voice)

    def script(self, text: str, language: str, *, cut: str = "cut5", speed: float = 1.0, seed: int = 0) -> Script:
        """Make a line ready.

        Raises:
            InputError: When there is nothing to say, or nothing that can be said.
        """
        spoken = fragments(
            text,
            language,
            cut,
            self.version,
            self.bert,
            as_reference=self.quirks.read_as_reference,
            reading=self.reading,
        )
        return Script(spoken, speed, seed, unpronounced(text, spoken))

    def speak(
        self,
        text: str,
        language: str,
        reference: Reference | Prompt,
        *,
        speed: float = 1.0,
        seed: int = 0,
        options: Options = AS_REFERENCE,
    ) -> Speech:
        """Speak one line.

        Args:
            text: What to say.
            language: Its language, or `auto`.
            reference: Whose voice; one that `prepare` has read saves reading it again.
            speed: 2 is twice as fast.
            seed: Another seed speaks it another way; the same seed speaks it the same way.
            options: How.

        Raises:
            InputError: When the text or the reference cannot be used.
        """
        prompt = reference if isinstance(reference, Prompt) else self.prepare(reference)
        script = self.script(text, language, cut=options.cut, speed=speed, seed=seed)
        return self.perform([script], prompt, options)[0]

    @torch.inference_mode()
    def perform(self, scripts: Sequence[Script], prompt: Prompt, options: Options = AS_REFERENCE) -> list[Speech]:
        """Speak lines, their fragments together in batches; a line does not depend on the lines beside it."""
        parts = [
            _Part(line, index, fragment, script)
            for line, script in enumerate(scripts)
            for index, fragment in enumerate(script.fragments)
        ]
        together = self.quirks.decode_together and all(script.speed == 1 for script in scripts)
        if together:
            for group in batches([len(part.fragment.norm_text) for part in parts], options.batch_size):
                members = [parts[index] for index in group]
                self._speak_tokens(members, prompt, options)
                self._decode(members, prompt.voice, options)
        else:
            # The longest first: what is still spoken when nothing waits any more is short.
            self._speak_tokens(sorted(parts, key=lambda part: -len(part.fragment.phones)), prompt, options)
            for part in parts:
                self._decode([part], prompt.voice, options)
        return [
            self._line(script, [part for part in parts if part.line == line], options)
            for line, script in enumerate(scripts)
        ]

    def _speak_tokens(self, parts: list[_Part], prompt: Prompt, options: Options) -> None:
        phones, bert = [], []
        for part in parts:
            before = [prompt.text] if prompt.text else []
            phones.append(torch.tensor([phone for piece in [*before, part.fragment] for phone in piece.phones]))
            bert.append(torch.cat([piece.bert_CX for piece in [*before, part.fragment]], dim=1))
        limits = [_limit(part.fragment, options) for part in parts]
        late = int(self.quirks.late_stop)
        spoken = generate(
            self.gpt,
            phones,
            bert,
            [prompt.tokens] * len(parts),
            options.sampling,
            max_tokens=[limit + late for limit in limits],
            seeds=[part.seed("tokens") for part in parts],
            rows=options.batch_size,
        )
        for part, tokens, limit in zip(parts, spoken, limits, strict=True):
            part.cut_off = len(tokens) >= limit
            first = 1 if len(tokens) > limit and prompt.tokens is not None else 0
            part.tokens = tokens[first:]

    def _decode(self, parts: list[_Part], voice: Voice, options: Options) -> None:
        """Sound of the parts' tokens, as one utterance."""
        tokens = torch.cat([part.tokens for part in parts])
        phones = torch.tensor([phone for part in parts for phone in part.fragment.phones])
        speed = parts[0].script.speed
        frames = len(tokens) * self.sovits.token_frames
        if speed != 1:
            frames = int(frames / speed) + 1
        noise = self.noise(parts[0].seed("noise"), (1, self.sovits.config.inter_channels, frames))
        with self._autocast():
            wav = self.sovits.decode(
                tokens[None, None].to(self.device),
                phones[None].to(self.device),
                voice.spectrograms,
                noise_scale=options.noise_scale,
                speed=speed,
                speaker_vectors=voice.speaker_vectors,
                noise=noise.to(self.device),
            )
        wav = wav[0, 0].float().cpu()
        lengths = [len(part.tokens) * len(wav) // len(tokens) for part in parts]
        for part, sound in zip(parts, wav.split([*lengths[:-1], len(wav) - sum(lengths[:-1])]), strict=True):
            part.sound = sound

    def _line(self, script: Script, parts: list[_Part], options: Options) -> Speech:
        samples = waveform.join([part.sound for part in parts], int(SAMPLE_RATE * options.pause_seconds))
        report = {
            "seconds": round(len(samples) / SAMPLE_RATE, 3),
            "speed": script.speed,
            "seed": script.seed,
            "unpronounced": [asdict(sign) for sign in script.unpronounced],
            "cut_off": sum(part.cut_off for part in parts),
            "fragments": [
                {"text": part.fragment.text, "tokens": len(part.tokens), "cut_off": part.cut_off} for part in parts
            ],
        }
        return Speech(samples.numpy(), SAMPLE_RATE, report)

    def _autocast(self) -> AbstractContextManager:
        # On a CPU only the vocoder, which takes the most time, computes in bfloat16.
        if self.dtype == torch.float32 or (self.device.type == "cpu" and self.dtype == torch.bfloat16):
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)


@dataclass
class _Part:
    """A fragment on its way through the models."""

    line: int
    index: int
    fragment: Fragment
    script: Script
    tokens: Tensor = field(default_factory=lambda: torch.empty(0))
    sound: Tensor = field(default_factory=lambda: torch.empty(0))
    cut_off: bool = False

    def seed(self, purpose: str) -> int:
        """A seed of this fragment's own, of its line's seed and its place in the line."""
        digest = hashlib.sha256(f"{self.script.seed}/{self.index}/{purpose}".encode()).digest()
        return int.from_bytes(digest[:7], "little")


def _limit(fragment: Fragment, options: Options) -> int:
    slowest = TOKENS_PER_SECOND * (math.ceil(len(fragment.phones) / MIN_PHONES_PER_SECOND) + 1)
    return min(MAX_TOKENS, options.max_tokens or slowest)
