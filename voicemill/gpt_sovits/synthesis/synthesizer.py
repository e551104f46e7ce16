"""Speaks: text to fragments, fragments to tokens (many at once), tokens to sound, fragments to lines."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from voicemill.core.errors import UsageError
from voicemill.gpt_sovits.features.spectrogram import SAMPLE_RATE
from voicemill.gpt_sovits.flow_matching.model import MelGenerator
from voicemill.gpt_sovits.gpt.decoder import Decoder, TokenDecoder
from voicemill.gpt_sovits.gpt.decoding import generate
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.kernels.linear import weights_for
from voicemill.gpt_sovits.kernels.packed_vocoder import pack_vocoder
from voicemill.gpt_sovits.sovits.compiled import compile_vocoder
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.synthesis import timing, waveform
from voicemill.gpt_sovits.synthesis.fragments import (
    BertFeatures,
    batches,
    fragments,
    unpronounced,
)
from voicemill.gpt_sovits.synthesis.latent_sound import LatentSound
from voicemill.gpt_sovits.synthesis.mel_sound import MelSound
from voicemill.gpt_sovits.synthesis.parts import Noise, Part, report_of, token_limit
from voicemill.gpt_sovits.synthesis.reference import (
    ContentEncoder,
    Reference,
    SpeakerEncoder,
    prompt_samples,
    prompt_tokens,
    said_in,
)
from voicemill.gpt_sovits.synthesis.script import Mark, Options, Prompt, Quirks, Script, Speech
from voicemill.text import BY_DICTIONARIES, Reading

AS_REFERENCE = Options()
_DRAWN = 16


def seeded_noise(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal noise `[1, C, T]`: a frame's depends on the seed and its place only, on every device.

    So that speech can be made before its length is known, frames are drawn one after the other.
    """
    batch, channels, frames = shape
    # torch draws 16 numbers at a time and the last ones anew; with whole groups no frame depends on how many follow.
    rows = -(-frames // _DRAWN) * _DRAWN
    drawn = torch.randn(batch, rows, channels, generator=torch.Generator().manual_seed(seed))
    return drawn[:, :frames].transpose(1, 2)


@dataclass
class Synthesizer:
    """The models that speak together.

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
        if isinstance(self.gpt, Gpt):
            weights = weights_for(name, self.device, self.gpt)
            activations = self.dtype if weights == "plain" else torch.float32
            self.gpt = Decoder(self.gpt.to(self.device, activations).eval(), weights)
        if self.compiled:
            compile_vocoder(self.sovits)
        else:
            pack_vocoder(self.sovits, torch.bfloat16 if name == "int8" else self.dtype)
        if isinstance(self.sovits, MelGenerator):
            last = self.quirks.mel_of_last_reference
            self.sound = MelSound(self.sovits, self.noise, self._autocast, mel_of_last=last)
        else:
            self.sound = LatentSound(self.sovits, self.noise, self._autocast, self.speaker_encoder)

    @property
    def version(self) -> str:
        return self.sovits.config.version

    def prepare(self, reference: Reference) -> Prompt:
        """Read a reference.

        Raises:
            InputError: When it cannot be read, is not 3 to 10 seconds long, or its text cannot be pronounced.
        """
        known = reference.features
        if known is None and not reference.text.strip("\n"):
            prompt_samples(reference.audio)
        fragment = said_in(reference, self.version, self.bert, self.reading, as_reference=self.quirks.read_as_reference)
        tokens = None
        if fragment:
            tokens = known.tokens_T if known else prompt_tokens(reference.audio, self.hubert, self.sovits)
        return Prompt(tokens, fragment, self.sound.voice(reference, tokens, fragment))

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
            # In v3 and v4 the reference takes fragments as they come.
            sort = isinstance(self.sound, LatentSound)
            for group in batches([len(part.fragment.norm_text) for part in parts], options.batch_size, sort=sort):
                members = [parts[index] for index in group]
                self._speak_tokens(members, prompt, options)
                self.sound.decode([members], prompt, options)
        else:
            # The longest first: what is still spoken when nothing waits any more is short.
            self._speak_tokens(sorted(parts, key=lambda part: -len(part.fragment.phones)), prompt, options)
            self.sound.decode([[part] for part in parts], prompt, options)
        if options.word_times:
            decoder = self.gpt
            if not isinstance(decoder, Decoder):
                raise UsageError("word times need the token model in torch: leave out --runtime, or --word-times")
            for part in parts:
                part.words = timing.part_times(decoder, part, prompt, self.version, self.reading, self.sound.rate)
        return [
            self._line(script, [part for part in parts if part.line == line], options)
            for line, script in enumerate(scripts)
        ]

    def _speak_tokens(self, parts: list[Part], prompt: Prompt, options: Options) -> None:
        phones, bert = zip(*(self.text_of(part, prompt) for part in parts), strict=True)
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

    def text_of(self, part: Part, prompt: Prompt) -> tuple[Tensor, Tensor]:
        """Return what the token model reads for a part, the prompt's first: phones `[X]` and BERT rows `[1024, X]`."""
        pieces = [prompt.text, part.fragment] if prompt.text else [part.fragment]
        phones = torch.tensor([phone for piece in pieces for phone in piece.phones])
        return phones, torch.cat([piece.bert_CX for piece in pieces], dim=1)

    @property
    def watermark(self) -> str:
        """Name of the mark that everything spoken carries; empty without one."""
        return self.mark.name if self.mark else ""

    def marked(self, sound_L: Tensor) -> Tensor:
        """Return samples with the mark; each piece of sound by itself, so that pauses stay silent."""
        return torch.from_numpy(self.mark.apply(sound_L.numpy(), self.sound.rate)) if self.mark else sound_L

    def _line(self, script: Script, parts: list[Part], options: Options) -> Speech:
        rate = self.sound.rate
        pause_rate = SAMPLE_RATE if self.quirks.pause_at_32_khz else rate
        sounds = [self.marked(part.sound) for part in parts]
        samples = waveform.join(sounds, int(pause_rate * options.pause_seconds)).numpy()
        words = timing.line_times(script.text, parts, options.pause_seconds, rate) if options.word_times else None
        return Speech(samples, rate, report_of(script, parts, len(samples) / rate, self.watermark, words))

    def _autocast(self) -> AbstractContextManager:
        # On a CPU only the vocoder, which takes the most time, computes in less than fp32.
        if self.dtype == torch.float32 or self.device.type == "cpu":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)
