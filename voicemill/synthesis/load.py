"""From files to something that speaks: a published voice or a pair of weights, and the pretrained models they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from voicemill.core.display import display
from voicemill.core.errors import InputError, UsageError
from voicemill.core.extras import needs
from voicemill.gpt_sovits.features import bert, hubert
from voicemill.gpt_sovits.flow_matching.model import MelGenerator
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.formats.checkpoints import SovitsCheckpoint
from voicemill.gpt_sovits.formats.vocoders import load_vocoder
from voicemill.gpt_sovits.gpt.choosing import TokenDecoder
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.synthesis import Options, Reference, Speech
from voicemill.gpt_sovits.synthesis.fragments import without_bert
from voicemill.gpt_sovits.synthesis.recordings import SpeakerEncoder
from voicemill.gpt_sovits.synthesis.speaker import AS_REFERENCE
from voicemill.gpt_sovits.synthesis.synthesizer import Synthesizer
from voicemill.gpt_sovits.training.run_state import choose_device
from voicemill.models import locate
from voicemill.registry.signatures import require_at_load
from voicemill.synthesis import watermark as watermarks
from voicemill.synthesis.reference_features import known_features
from voicemill.text import BY_DICTIONARIES, Reading
from voicemill.voice.generation_config import Generation
from voicemill.voice.manifest import Voice, read_voice

if TYPE_CHECKING:
    from transformers import HubertModel


Runtime = Literal["torch", "onnx"]
ONNX_BITS = {"auto": 32, "fp32": 32, "int8": 8}
"""Bits of a token model's weights in ONNX Runtime, by precision."""


class Pretrained:
    """The models that stand before every voice, each loaded when it is first needed.

    Args:
        models: Models folder.
        device: Where to compute; None takes the GPU where there is one.
    """

    def __init__(self, models: Path, device: torch.device | None = None):
        self.models, self.device = models, device or choose_device()

    @cached_property
    def hubert(self) -> HubertModel:
        return hubert.load(locate(self.models, "hubert"), self.device)

    @cached_property
    def bert(self) -> bert.Bert:
        return bert.load(locate(self.models, "bert"), self.device)

    @cached_property
    def speaker_encoder(self) -> SpeakerEncoder:
        from voicemill.gpt_sovits.features import speaker_encoder as speaker_vectors

        return speaker_vectors.load(locate(self.models, "speaker-encoder"), self.device)

    def content(self, wav16k: np.ndarray) -> torch.Tensor:
        """HuBERT's features of samples `[n]` at 16 kHz; the model is loaded when it is first asked."""
        return hubert.features(self.hubert, wav16k)

    def speaker_vector(self, wav_1n: torch.Tensor) -> torch.Tensor:
        """Speaker vector `[1, 20480]` of samples at 16 kHz; the model is loaded when it is first asked."""
        return self.speaker_encoder(wav_1n)

    def bert_features(self, segments: Sequence[Any]) -> np.ndarray:
        """BERT rows of a text's segments; the model is only loaded for Mandarin."""
        if any(segment.language == "zh" for segment in segments):
            return bert.segment_features(self.bert, segments).numpy()
        return without_bert(segments)

    @cached_property
    def _bases(self) -> dict[str, SovitsCheckpoint]:
        """Bases that LoRAs were merged into; of one voice's epochs it is the same for all."""
        return {}

    def generator(self, sovits: Path) -> Generator | MelGenerator:
        """Return an acoustic model, for inference.

        Raises:
            InputError: When the file cannot be read or is another kind of model.
            MissingModelError: When what it needs beside it is not in the models folder.
        """
        return self._generator(checkpoints.load_sovits(sovits), sovits)

    def _generator(self, acoustic: SovitsCheckpoint, path: Path) -> Generator | MelGenerator:
        version = acoustic.version
        if not acoustic.config.spec.mel:
            return checkpoints.build_generator(acoustic, self.device)
        if acoustic.lora_rank and version not in self._bases:
            self._bases[version] = checkpoints.load_sovits(locate(self.models, "sovits-g", version))
        vocoder = load_vocoder(locate(self.models, "vocoder", version), self.device)
        try:
            return checkpoints.build_mel_generator(acoustic, self._bases.get(version), vocoder, self.device)
        except InputError as error:
            raise InputError(f"{path} cannot be used with the base in {self.models}: {error}") from error

    def _token_model(self, model: Gpt, runtime: Runtime, precision: str) -> Gpt | TokenDecoder:
        if runtime == "torch":
            return model
        if self.device.type != "cpu" or precision not in ONNX_BITS:
            known = " or ".join(name for name in ONNX_BITS if name != "auto")
            raise UsageError(
                f"the runtime onnx computes on a CPU in {known}, not on {self.device.type} in {precision}: "
                "change --precision or --device, or leave out --runtime"
            )
        with needs("voice"):
            from voicemill.gpt_sovits.onnx.conversion import decoder_of
        return decoder_of(model.eval(), ONNX_BITS[precision])

    def synthesizer(
        self,
        sovits: Path,
        gpt: Path,
        *,
        precision: str = "auto",
        compiled: bool = False,
        reading: Reading = BY_DICTIONARIES,
        watermark: watermarks.Choice = "auto",
        runtime: Runtime = "torch",
    ) -> Synthesizer:
        """Return a pair of weights, ready to speak.

        Args:
            sovits: Weights of the acoustic model, ours or the reference's.
            gpt: Weights of the token model, ours or the reference's.
            precision: `auto` (half precision on a GPU), `fp32`, `bf16`, `fp16`, or `int8` on a CPU.
            compiled: Compile the vocoder when it is first used.
            reading: The user's own pronunciations, and who reads polyphones.
            watermark: Whether all that it speaks is watermarked: `auto` where the extra `watermark` is installed,
                `on` requires it, `off` leaves it out.
            runtime: What the token model runs by; `onnx` is for the CPU, in fp32 or int8.

        Raises:
            InputError: When a file cannot be read or is another kind of model.
            UsageError: When ONNX Runtime does not compute on that device, or in that precision.
            MissingModelError: When a pretrained model is not in the models folder, or the watermark not installed.
        """
        mark = watermarks.mark(watermark)
        acoustic = checkpoints.load_sovits(sovits)
        token = checkpoints.load_gpt(gpt)
        return Synthesizer(
            self._generator(acoustic, sovits),
            self._token_model(Gpt.from_checkpoint(token.config, token.weights).float(), runtime, precision),
            self.content,
            self.bert_features,
            self.speaker_vector if acoustic.config.is_pro else None,
            precision,
            compiled,
            reading=reading,
            mark=mark,
        )


@dataclass(frozen=True)
class SpeakingVoice:
    """A published voice, its models loaded."""

    voice: Voice
    synthesizer: Synthesizer
    reference: Reference
    references: Mapping[str, Reference] = field(default_factory=dict)

    @property
    def is_read(self) -> bool:
        """Whether the voice carries what HuBERT finds in each of its reference clips."""
        return all(clip.features for clip in (self.reference, *self.references.values()))

    def named(self, name: str) -> Reference:
        """Return a reference of the voice by its name; the usual one for an empty name.

        Raises:
            InputError: The voice has none of that name.
        """
        if not name:
            return self.reference
        if name not in self.references:
            known = ", ".join(sorted(self.references)) or "no named ones"
            raise InputError(f"{self.voice.speaker} has no reference {display(name)}; it has {known}")
        return self.references[name]

    def prompted(self, generation: Generation) -> SpeakingVoice:
        """Return the same voice, its references as a generation config uses them."""
        references = {name: generation.prompt(each) for name, each in self.references.items()}
        return replace(self, reference=generation.prompt(self.reference), references=references)


def load_voice(
    folder: Path,
    models: Path | Pretrained,
    device: torch.device | None = None,
    *,
    precision: str = "auto",
    compiled: bool = False,
    reading: Reading = BY_DICTIONARIES,
    watermark: watermarks.Choice = "auto",
    runtime: Runtime = "torch",
) -> SpeakingVoice:
    """Load a published voice.

    Args:
        folder: What `publish` made.
        models: Models folder, for BERT where Mandarin is spoken, and for HuBERT and the speaker encoder where the voice
            does not carry what they find in its reference clips; or those of it that are loaded already.
        device: Where to compute; None takes the GPU where there is one.
        precision: As `Pretrained.synthesizer`.
        compiled: The same.
        reading: As `Pretrained.synthesizer`.
        watermark: The same.
        runtime: The same.

    Raises:
        InputError: When the folder is not a voice, damaged, or not signed as `$VOICEMILL_PUBLIC_KEY` requires.
        MissingModelError: When a pretrained model is not in the models folder.
    """
    require_at_load(folder)
    voice = read_voice(folder)
    pretrained = models if isinstance(models, Pretrained) else Pretrained(models, device)
    synthesizer = pretrained.synthesizer(
        folder / voice.sovits.file,
        folder / voice.gpt.file,
        precision=precision,
        compiled=compiled,
        reading=reading,
        watermark=watermark,
        runtime=runtime,
    )
    clips = (voice.reference, *voice.references.values())
    known = known_features(folder, voice, synthesizer.sovits.config.gin_channels, reading)
    usual, *named = (
        Reference(folder / clip.file, clip.text, clip.language, features=known.get(clip.sha256)) for clip in clips
    )
    return SpeakingVoice(voice, synthesizer, usual, dict(zip(voice.references, named, strict=True)))


def recite(
    synthesizer: Synthesizer,
    reference: Reference,
    lines: Sequence[str],
    language: str,
    seed: int,
    options: Options = AS_REFERENCE,
    speed: float = 1.0,
) -> list[Speech]:
    """Speak lines for measuring: each with a seed of its own, so that one unlucky draw does not spoil them all.

    Args:
        synthesizer: Who speaks.
        reference: Whose voice.
        lines: What to say.
        language: Language of the lines.
        seed: The first line's; the same seed speaks the lines the same way.
        options: How to speak.
        speed: 2 is twice as fast.

    Raises:
        InputError: When a line or the reference cannot be used.
    """
    prompt = synthesizer.prepare(reference)
    scripts = [
        synthesizer.script(line, language, text_split=options.text_split, speed=speed, seed=seed + number)
        for number, line in enumerate(lines)
    ]
    return synthesizer.perform(scripts, prompt, options)


def recordings_in(place: Path) -> list[Path]:
    """Return a recording, or those of a folder in the order of their names.

    Raises:
        InputError: When there is none.
    """
    found = sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else [place]
    found = [path for path in found if path.is_file() and not path.name.startswith(".")]
    if not found:
        raise InputError(f"{place} holds no recordings of the speaker")
    return found
