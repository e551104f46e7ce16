"""A published voice that speaks, whatever its models run by: weights by torch, graphs by ONNX Runtime without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from voicemill.core.display import display
from voicemill.core.errors import InputError, UsageError
from voicemill.core.extras import needs
from voicemill.gpt_sovits.synthesis import Options, Reference, Speaker, Speech
from voicemill.gpt_sovits.synthesis.speaker import AS_REFERENCE
from voicemill.models import resolve_local
from voicemill.registry.signatures import require_at_load
from voicemill.storage import is_remote
from voicemill.synthesis import watermark as watermarks
from voicemill.synthesis.reference_features import known_features
from voicemill.text import BY_DICTIONARIES, Reading
from voicemill.voice.generation_config import Generation
from voicemill.voice.manifest import Voice, read_voice

if TYPE_CHECKING:
    import torch

    from voicemill.synthesis.load import Pretrained

Runtime = Literal["auto", "torch", "onnx"]
"""What models run by: `auto` is ONNX Runtime for a voice of graphs, torch for one of weights."""


@dataclass(frozen=True)
class SpeakingVoice:
    """A published voice, its models loaded."""

    voice: Voice
    synthesizer: Speaker
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


def models_of(folder: Path, models: str | Path) -> Path | None:
    """Return the models folder that a voice needs; None where a voice of graphs goes without.

    Args:
        folder: A published voice.
        models: Local path or s3:// address; may be empty.

    Raises:
        InputError: The folder is not a voice, or there is nothing at the location.
        UsageError: The voice needs a models folder, and no location is given.
    """
    place = str(models)
    if read_voice(folder, verify=False).runtime == "onnx" and not (
        is_remote(place) or (place and Path(place).exists())
    ):
        return None
    if not place:
        raise UsageError("a voice needs a models folder; give `models` or set VOICEMILL_MODELS")
    return resolve_local(place)


def load_voice(
    folder: Path,
    models: Path | Pretrained | None,
    device: torch.device | str | None = None,
    *,
    precision: str = "auto",
    compiled: bool = False,
    reading: Reading = BY_DICTIONARIES,
    watermark: watermarks.Choice = "auto",
    runtime: Runtime = "auto",
) -> SpeakingVoice:
    """Load a published voice.

    Args:
        folder: What `publish` made, or `voicemill voices export --onnx` of that.
        models: Models folder, for BERT where Mandarin is spoken, and for HuBERT and the speaker encoder where the voice
            does not carry what they find in its reference clips; or those of it that are loaded already. A voice of
            graphs needs one for Mandarin only, with BERT as a graph (`voicemill models export-onnx`).
        device: Where to compute; None takes the GPU where there is one.
        precision: As `Pretrained.synthesizer`; of a voice of graphs `auto`, or what it was exported in.
        compiled: The same.
        reading: As `Pretrained.synthesizer`.
        watermark: The same.
        runtime: What the models run by. Of a voice of weights ONNX Runtime runs the token model, torch the rest.

    Raises:
        InputError: When the folder is not a voice, damaged, or not signed as `$VOICEMILL_PUBLIC_KEY` requires.
        MissingModelError: When a pretrained model is not in the models folder.
        UsageError: When the voice does not compute there, or so; or no models folder is given that it needs.
    """
    require_at_load(folder)
    voice = read_voice(folder)
    if voice.runtime == "onnx":
        with needs("onnx"):
            from voicemill.synthesis import graphs

            graphs.check_manner(voice, runtime, str(device or "cpu"), compiled=compiled)
            place = models if models is None or isinstance(models, Path) else models.models
            synthesizer, channels = graphs.speaker_of(folder, voice, precision, reading, watermark, place)
    else:
        if models is None:
            raise UsageError(f"{folder} is a voice that needs a models folder; name it, or set VOICEMILL_MODELS")
        with needs("voice"):
            from voicemill.synthesis.load import Pretrained
        synthesizer = (models if isinstance(models, Pretrained) else Pretrained(models, device)).synthesizer(
            folder / voice.sovits.file,
            folder / voice.gpt.file,
            precision=precision,
            compiled=compiled,
            reading=reading,
            watermark=watermark,
            runtime="onnx" if runtime == "onnx" else "torch",
        )
        channels = synthesizer.sovits.config.gin_channels
    known = known_features(folder, voice, channels, reading)
    clips = (voice.reference, *voice.references.values())
    usual, *named = (
        Reference(folder / clip.file, clip.text, clip.language, features=known.get(clip.sha256)) for clip in clips
    )
    return SpeakingVoice(voice, synthesizer, usual, dict(zip(voice.references, named, strict=True)))


def recite(
    synthesizer: Speaker,
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
