"""GPT-SoVITS's files to a voice folder. Nothing of them is executed, and nothing is written before all is checked."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from voicemill import __version__
from voicemill.core import untrusted
from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError
from voicemill.core.names import normal
from voicemill.gpt_sovits.flow_matching import lora
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.formats.checkpoints import GptCheckpoint, SovitsCheckpoint
from voicemill.gpt_sovits.versions import spec
from voicemill.voice.manifest import (
    LONGEST_REFERENCE,
    REFERENCES,
    SHORTEST_REFERENCE,
    Part,
    ReferenceClip,
    Voice,
    check_reference_name,
)
from voicemill.voice.model_card import model_card

_SOUND = (".wav", ".flac", ".mp3", ".ogg", ".m4a", ".opus")
SYMBOLS = {"v1": 512}
"""Rows of the token model's phone table by SoVITS version; 732 for the later ones."""


@dataclass(frozen=True)
class Source:
    """What a voice is imported from.

    Attributes:
        sovits: A `.pth` of the reference, or ours.
        gpt: A `.ckpt` of the reference, or ours.
        reference: A recording of the speaker, 3 to 10 seconds long.
        text: What is said in it; without it only the voice is taken on, not the manner of speaking.
        language: Code of the language that is spoken in it.
        speaker: Name of the voice.
        consent: The speaker's consent, for the voice's lineage.
        references: Folder of more recordings, named by how they are spoken (`happy.wav`), each with its words in a text
            file of the same name (`happy.txt`), if they are known.
    """

    sovits: Path
    gpt: Path
    reference: Path
    text: str
    language: str
    speaker: str
    consent: str = ""
    references: Path | None = None


def import_voice(source: Source, target: Path) -> Voice:
    """Write a voice folder.

    Args:
        source: Where everything comes from.
        target: Existing empty folder.

    Raises:
        InputError: A file is damaged, holds what no checkpoint needs, is of a version that voicemill does not speak
            with, does not fit its own configuration or the other file; or the reference cannot be used: it is too
            short, too long, or nobody speaks in it.
    """
    for file in (source.sovits, source.gpt, source.reference):
        if not file.is_file():
            raise InputError(f"{file} does not exist")
    sovits, gpt = read_pair(source.sovits, source.gpt)
    reference = _reference(source, sovits.version, target)
    named = named_clips(source.references) if source.references else {}
    references = {
        name: _reference(replace(source, reference=clip, text=text), sovits.version, target, name)
        for name, (clip, text) in named.items()
    }
    checkpoints.save_sovits(target / "sovits.safetensors", sovits)
    checkpoints.save_gpt(target / "gpt.safetensors", gpt)
    voice = Voice(
        speaker=source.speaker,
        version=sovits.version,
        language=source.language,
        sampling_rate=sovits.config.spec.output_rate,
        sovits=_part(target / "sovits.safetensors", source.sovits),
        gpt=_part(target / "gpt.safetensors", source.gpt),
        reference=reference,
        references=references,
    )
    voice.write(target)
    lineage = {
        "consent": {"consent": source.consent} if source.consent else None,
        "imported": {
            file.name: file_digest(file)
            for file in (source.sovits, source.gpt, source.reference, *(clip for clip, _ in named.values()))
        },
        "info": {"sovits": sovits.info, "gpt": gpt.info},
        "code": {"voicemill": __version__},
    }
    _write_json(target / "lineage.json", lineage)
    _write_json(target / "metrics.json", {})
    card = model_card(voice, transcripts=[], metrics={}, lineage=lineage)
    (target / "README.md").write_text(card, encoding="utf-8")
    return voice


def named_clips(folder: Path) -> dict[str, tuple[Path, str]]:
    """Return the recordings of a folder by name, each with the words of the text file of the same name.

    Raises:
        InputError: There is none, two have one name, or a name cannot be that of a reference.
    """
    found: dict[str, tuple[Path, str]] = {}
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    for path in files:
        if path.suffix.lower() not in _SOUND:
            continue
        name = check_reference_name(normal(path.stem), str(folder))
        if name in found:
            raise InputError(f"{folder} has two recordings {name}: {found[name][0].name} and {path.name}; keep one")
        words = path.with_suffix(".txt")
        text = untrusted.read_text(words).strip() if words.is_file() else ""
        found[name] = (path, " ".join(text.split()))
    if not found:
        raise InputError(f"{folder} has no recordings ({', '.join(_SOUND)}) to be references")
    return found


def read_pair(sovits: Path, gpt: Path) -> tuple[SovitsCheckpoint, GptCheckpoint]:
    """Read both models and try whether they can be built, and whether they belong to one version.

    Raises:
        InputError: If not.
    """
    from voicemill.gpt_sovits.gpt.model import Gpt

    acoustic, token = checkpoints.load_sovits(sovits), checkpoints.load_gpt(gpt)
    for path, weights in ((sovits, acoustic.weights), (gpt, token.weights)):
        # As they will be stored, in half precision.
        spoken = {key: value for key, value in weights.items() if not key.endswith(lora.STATISTICS)}
        bad = [key for key, value in spoken.items() if value.is_floating_point() and not value.half().isfinite().all()]
        if bad:
            raise InputError(f"{path} is refused: {bad[0]} holds values outside the range of half precision")
    try:
        checkpoints.check_sovits(acoustic)
    except InputError as error:
        raise InputError(f"{sovits} is refused: {error}") from error
    try:
        Gpt.from_checkpoint(token.config, token.weights)
    except InputError as error:
        raise InputError(f"{gpt} is refused: {error}") from error
    rows, needed = len(token.weights["ar_text_embedding.word_embeddings.weight"]), SYMBOLS.get(acoustic.version, 732)
    if rows != needed:
        raise InputError(
            f"{gpt} knows {rows} phones where {acoustic.version} has {needed}: it is for another version than {sovits}"
        )
    return acoustic, token


def _reference(source: Source, version: str, target: Path, name: str = "") -> ReferenceClip:
    from voicemill.audio.reading import read, to_mono, write_wav
    from voicemill.audio.speech import has_speech
    from voicemill.text import phonemize, symbols

    if spec(version).mel and not source.text:
        raise InputError(f"{version} resumes from the words of its reference: say with --text what is spoken in it")
    audio = read(source.reference)
    seconds = audio.samples.shape[-1] / audio.rate
    if not SHORTEST_REFERENCE <= seconds <= LONGEST_REFERENCE:
        raise InputError(
            f"{source.reference} lasts {seconds:.2f} s, but a reference must last {SHORTEST_REFERENCE:g} to "
            f"{LONGEST_REFERENCE:g} s; cut it or use another"
        )
    if not has_speech(to_mono(audio.samples)[0], audio.rate):
        raise InputError(f"{source.reference} has no speech in it, only silence, noise or music; use another recording")
    silent = {*symbols.PUNCTUATION, *symbols.PAUSES, symbols.UNKNOWN}
    if source.text and silent.issuperset(phonemize(source.text, source.language, version).phones):
        raise InputError(f"the reference's text {source.text!r} cannot be pronounced; correct it")
    file = target / REFERENCES / f"{name}.wav" if name else target / "reference.wav"
    file.parent.mkdir(exist_ok=True)
    if source.reference.suffix.lower() == ".wav":
        shutil.copyfile(source.reference, file)
    else:
        write_wav(file, audio.samples, audio.rate, "FLOAT")
    return ReferenceClip(
        file.relative_to(target).as_posix(), file_digest(file), source.text, source.language, round(seconds, 3)
    )


def _part(file: Path, origin: Path) -> Part:
    return Part(file.name, file_digest(file), origin.name)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
