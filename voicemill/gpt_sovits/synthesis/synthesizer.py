"""Speaks: text to fragments, fragments to tokens (many at once), tokens to sound, fragments to lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.features.spectrogram import SAMPLE_RATE
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.decoding import MAX_TOKENS, generate
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.kernels.linear import weights_for
from voicemill.gpt_sovits.kernels.packed_vocoder import pack_vocoder
from voicemill.gpt_sovits.sovits.compiled import compile_vocoder
from voicemill.gpt_sovits.sovits.model import Generator, Lengths
from voicemill.gpt_sovits.synthesis import timing, waveform
from voicemill.gpt_sovits.synthesis.fragments import (
    BertFeatures,
    batches,
    fragments,
    full_stop,
    pronounce,
    unpronounced,
)
from voicemill.gpt_sovits.synthesis.parts import Part, padded, token_limit
from voicemill.gpt_sovits.synthesis.reference import Reference, SpeakerEncoder, Voice, prompt_tokens, voice_of
from voicemill.gpt_sovits.synthesis.script import Mark, Options, Prompt, Quirks, Script, Speech
from voicemill.text import BY_DICTIONARIES, Reading

if TYPE_CHECKING:
    from transformers import HubertModel

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
        compiled: Compile the vocoder when it is first used.
        noise: Where SoVITS's noise comes from: (seed, shape).
        quirks: For comparisons with the reference.
        reading: The user's own pronunciations, and who reads polyphones.
        mark: Marks every fragment that is spoken as generated; None leaves them unmarked.
    """

    sovits: Generator
    gpt: Gpt | Decoder
    hubert: HubertModel
    bert: BertFeatures
    speaker_encoder: SpeakerEncoder | None = None
    precision: str = "auto"
    compiled: bool = False
    noise: Noise = field(default=seeded_noise)
    quirks: Quirks = Quirks()
    reading: Reading = BY_DICTIONARIES
    mark: Mark | None = None

    def __post_init__(self) -> None:
        self.device = next(self.sovits.parameters()).device
        name = self.precision
        if name == "auto":
            name = "fp16" if self.device.type == "cuda" else "fp32"
        self.dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(name, torch.float32)
        if isinstance(self.gpt, Gpt):
            weights = weights_for(name, self.device, self.gpt)
            activations = self.dtype if weights == "plain" else torch.float32
            self.gpt = Decoder(self.gpt.to(self.device, activations).eval(), weights)
        if self.compiled:
            compile_vocoder(self.sovits)
        else:
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

    def script(
        self, text: str, language: str, *, text_split: str = "cut5", speed: float = 1.0, seed: int = 0
    ) -> Script:
        """Make a line ready.

        Raises:
            InputError: When there is nothing to say, or nothing that can be said.
        """
        spoken = fragments(
            text,
            language,
            text_split,
            self.version,
            self.bert,
            as_reference=self.quirks.read_as_reference,
            reading=self.reading,
        )
        return Script(spoken, speed, seed, unpronounced(text, spoken), text)

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
        script = self.script(text, language, text_split=options.text_split, speed=speed, seed=seed)
        return self.perform([script], prompt, options)[0]

    @torch.inference_mode()
    def perform(self, scripts: Sequence[Script], prompt: Prompt, options: Options = AS_REFERENCE) -> list[Speech]:
        """Speak lines, their fragments together in batches; a line does not depend on the lines beside it."""
        parts = [
            Part(line, index, fragment, script)
            for line, script in enumerate(scripts)
            for index, fragment in enumerate(script.fragments)
        ]
        together = self.quirks.decode_together and all(script.speed == 1 for script in scripts)
        if together:
            for group in batches([len(part.fragment.norm_text) for part in parts], options.batch_size):
                members = [parts[index] for index in group]
                self._speak_tokens(members, prompt, options)
                self._decode([members], prompt.voice, options)
        else:
            # The longest first: what is still spoken when nothing waits any more is short.
            self._speak_tokens(sorted(parts, key=lambda part: -len(part.fragment.phones)), prompt, options)
            for group in self._alike(parts, options):
                self._decode([[part] for part in group], prompt.voice, options)
        if options.word_times:
            assert isinstance(self.gpt, Decoder)
            for part in parts:
                part.words = timing.part_times(self.gpt, part, prompt, self.version, self.reading)
        return [
            self._line(script, [part for part in parts if part.line == line], options)
            for line, script in enumerate(scripts)
        ]

    def _speak_tokens(self, parts: list[Part], prompt: Prompt, options: Options) -> None:
        phones, bert = [], []
        for part in parts:
            before = [prompt.text] if prompt.text else []
            phones.append(torch.tensor([phone for piece in [*before, part.fragment] for phone in piece.phones]))
            bert.append(torch.cat([piece.bert_CX for piece in [*before, part.fragment]], dim=1))
        limits = [token_limit(part.fragment, options.max_tokens) for part in parts]
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

    def _alike(self, parts: list[Part], options: Options) -> list[list[Part]]:
        """Group parts to be synthesized in one batch: of similar length, at a speed of 1, and on a GPU."""
        size = options.decode_at_once or (options.batch_size if self.device.type == "cuda" else 1)
        longest = max(len(part.tokens) for part in parts)
        # No more at once than the longest line that there may be.
        size = max(1, min(size, MAX_TOKENS // max(1, longest)))
        alone = [[part] for part in parts if part.script.speed != 1]
        others = [part for part in parts if part.script.speed == 1]
        groups = batches([len(part.tokens) for part in others], size)
        return alone + [[others[index] for index in group] for group in groups]

    def _decode(self, utterances: list[list[Part]], voice: Voice, options: Options) -> None:
        """Sound of utterances, each of one or several parts; those of a batch have a speed of 1."""
        tokens = [torch.cat([part.tokens for part in parts]) for parts in utterances]
        phones = [torch.tensor([phone for part in parts for phone in part.fragment.phones]) for parts in utterances]
        speed = utterances[0][0].script.speed
        noise = []
        for parts, spoken in zip(utterances, tokens, strict=True):
            frames = len(spoken) * self.sovits.token_frames
            frames = frames if speed == 1 else int(frames / speed) + 1
            shape = (1, self.sovits.config.inter_channels, frames)
            noise.append(self.noise(parts[0].seed("noise"), shape)[0].T)
        lengths = None
        if len(utterances) > 1:
            lengths = Lengths(
                *(torch.tensor([len(row) for row in rows], device=self.device) for rows in (tokens, phones))
            )
        with self._autocast():
            wav_B1L = self.sovits.decode(
                padded(tokens).unsqueeze(1).to(self.device),
                padded(phones).to(self.device),
                voice.spectrograms,
                noise_scale=options.noise_scale,
                speed=speed,
                speaker_vectors=voice.speaker_vectors,
                noise=padded(noise).transpose(1, 2).to(self.device),
                lengths=lengths,
            )
        for parts, spoken, wav_L in zip(utterances, tokens, wav_B1L[:, 0].float().cpu(), strict=True):
            wav_L = wav_L[: len(wav_L) * len(spoken) // max(map(len, tokens))]
            bounds = [len(part.tokens) * len(wav_L) // len(spoken) for part in parts]
            sounds = wav_L.split([*bounds[:-1], len(wav_L) - sum(bounds[:-1])])
            for part, sound in zip(parts, sounds, strict=True):
                part.sound = sound

    def _line(self, script: Script, parts: list[Part], options: Options) -> Speech:
        sounds = [part.sound for part in parts]
        if self.mark:
            # Each by itself, so that the pauses stay silent.
            sounds = [torch.from_numpy(self.mark.apply(sound.numpy(), SAMPLE_RATE)) for sound in sounds]
        samples = waveform.join(sounds, int(SAMPLE_RATE * options.pause_seconds)).numpy()
        report = {
            "seconds": round(len(samples) / SAMPLE_RATE, 3),
            "speed": script.speed,
            "seed": script.seed,
            "unpronounced": [asdict(sign) for sign in script.unpronounced],
            **({"words": timing.line_times(script.text, parts, options.pause_seconds)} if options.word_times else {}),
            "watermark": self.mark.name if self.mark else "",
            "cut_off": sum(part.cut_off for part in parts),
            "fragments": [
                {"text": part.fragment.text, "tokens": len(part.tokens), "cut_off": part.cut_off} for part in parts
            ],
        }
        return Speech(samples, SAMPLE_RATE, report)

    def _autocast(self) -> AbstractContextManager:
        # On a CPU only the vocoder, which takes the most time, computes in less than fp32.
        if self.dtype == torch.float32 or self.device.type == "cpu":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)
