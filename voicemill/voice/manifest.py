"""A voice: the folder that `publish` makes and `synthesize` speaks with.

voice.json            this page's `Voice`
sovits.safetensors    acoustic model; acoustic.onnx in a voice of ONNX graphs (`voices export --onnx`)
gpt.safetensors       token model; tokens.onnx
reference.wav         a clip of the speaker, 3 to 10 s
references/           more of them by name (`happy.wav`), if the voice has any
references.safetensors   what the models found in these clips (voicemill.voice.reference_features)
metrics.json          what the evaluation measured
lineage.json          what the voice was made from
README.md             model card
reading.json          who tells polyphones apart (voicemill.voice.pronunciation); not in voices from outside
lexicon.csv           the user's own pronunciations, if there are any
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from voicemill.core import untrusted
from voicemill.core.digests import file_digest
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.core.names import normal
from voicemill.core.safe_paths import safe_join, what_is_wrong
from voicemill.voice.generation_config import Generation

MANIFEST = "voice.json"
METRICS = "metrics.json"
FORMAT, GRAPHS_FORMAT = 2, 3
_READ = (1, 2, 3)
"""Format 1 had the generation config in metrics.json alone; format 3 is that of voices of ONNX graphs."""
GRAPHS = ("acoustic.onnx", "tokens.onnx")
"""What a voice of ONNX graphs has in the place of the two models' weights."""
SHORTEST_REFERENCE = 3.0
LONGEST_REFERENCE = 10.0
_BEST_REFERENCE = 6.0
_SENTENCE_END = re.compile(r"[.!?]+\s|[。！？]+")
REFERENCES = "references"
"""Folder of the named reference clips."""
_LONGEST_NAME = 40
_REFERENCE_NAME = re.compile(rf"[^\W]([\w-]{{0,{_LONGEST_NAME - 1}}})")
_MOST_BYTES = 2**20
_HINT = "publish the voice again"


@dataclass(frozen=True)
class Part:
    """A file of the voice and the SHA-256 of its content; `origin` is the name it had in training."""

    file: str
    sha256: str
    origin: str


@dataclass(frozen=True)
class ReferenceClip:
    """The clip that a synthesis imitates: its file, what is said in it, and in which language."""

    file: str
    sha256: str
    text: str
    language: str
    seconds: float


@dataclass(frozen=True)
class Voice:
    """What a synthesis must know about a voice.

    Attributes:
        speaker: Whose voice it is.
        version: GPT-SoVITS model version, `v2`.
        language: Language of most of its clips.
        sampling_rate: Of what it speaks, in Hz.
        sovits: The acoustic model.
        gpt: The token model.
        reference: The clip to imitate where none is given.
        references: More clips by name, for lines that ask for one.
        generation: How it speaks unless told otherwise.
        format: Version of this page.
        runtime: What its models run by: torch, or ONNX Runtime, where they are graphs.
    """

    speaker: str
    version: str
    language: str
    sampling_rate: int
    sovits: Part
    gpt: Part
    reference: ReferenceClip
    generation: Generation = field(default_factory=Generation)
    format: int = FORMAT
    references: Mapping[str, ReferenceClip] = field(default_factory=dict)
    runtime: Literal["torch", "onnx"] = "torch"

    def write(self, folder: Path) -> None:
        """Write voice.json."""
        fields = asdict(self)
        if not self.references:
            del fields["references"]
        if self.runtime == "torch":
            del fields["runtime"]
        (folder / MANIFEST).write_text(json.dumps(fields, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    @property
    def parts(self) -> list[Part | ReferenceClip]:
        """Its files."""
        return [self.sovits, self.gpt, self.reference, *self.references.values()]


def read_voice(folder: Path, *, verify: bool = True) -> Voice:
    """Read voice.json and check that its files are what they were when it was published.

    Args:
        folder: A published voice.
        verify: Compare the digests of the files.

    Raises:
        InputError: if it is not a voice, of a later format, or damaged; names the file.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder} is not a voice: it has no {MANIFEST}")
    voice = parse_voice(untrusted.read_bytes(path, hint=_HINT, most_bytes=_MOST_BYTES), str(path))
    if voice.format == 1:
        voice = replace(voice, generation=_of_format_1(folder))
    for part in voice.parts:
        file = safe_join(folder, part.file)
        if not verify:
            continue
        if not file.is_file() or file_digest(file) != part.sha256:
            raise InputError(f"{file} is missing or was changed since publication; fetch the voice again")
    return voice


def _of_format_1(folder: Path) -> Generation:
    metrics = folder / METRICS
    noted = untrusted.read_json(metrics, dict, hint=_HINT, nan=True) if metrics.is_file() else {}
    return Generation.recorded(noted, metrics)


def parse_voice(text: str | bytes, path: str) -> Voice:
    """Return what a voice.json says; `path` names it in errors.

    Raises:
        InputError: if it is damaged, of a later format, or names files that are not in the voice's folder.
    """
    fields = untrusted.parse_json(text, path, dict, hint=_HINT)
    if fields.get("format") not in _READ:
        what = f"has format {display(fields.get('format'))}; this voicemill reads {_READ[0]} to {_READ[-1]}, update it"
        raise InputError(f"{display(path)} {what}")
    voice = untrusted.shaped(Voice, fields, path, hint=_HINT)
    voice.generation.checked(f"{display(path)}: generation")
    for name in voice.references:
        check_reference_name(name, display(path))
    for part in voice.parts:
        problem = what_is_wrong(part.file)
        if problem:
            raise InputError(f"{display(path)} cannot be used: it names the file {display(part.file)}: {problem}")
    return replace(voice, speaker=normal(voice.speaker))


def weights_of(folder: Path, *, verify: bool = True) -> Voice:
    """Return a voice of weights, which torch reads and other programs' files can be made of; see `read_voice`.

    Raises:
        InputError: It is made of ONNX graphs, which cannot be turned back.
    """
    voice = read_voice(folder, verify=verify)
    if voice.runtime == "onnx":
        raise InputError(
            f"{folder} is a voice of ONNX graphs, which hold no weights: use the voice that it was made of"
        )
    return voice


def check_reference_name(name: str, where: str) -> str:
    """Return the name of a reference clip, which is a file's too.

    Raises:
        InputError: It has other signs than letters, digits, `-` and `_`, or too many.
    """
    if not _REFERENCE_NAME.fullmatch(name):
        raise InputError(
            f"{where} names a reference {display(repr(name))}; use at most {_LONGEST_NAME} letters, digits, - and _"
        )
    return name


def has_consent(lineage: Mapping[str, Any]) -> bool:
    """Return whether what lineage.json holds has a record of the speaker's consent."""
    consent = lineage.get("consent")
    return bool(any(consent.values()) if isinstance(consent, Mapping) else consent)


def reference_candidates(transcripts: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the clips that can be the reference, the likeliest first: those of 3 to 10 s with a text.

    First come those without flags, of them those of one sentence, of them the surest recognised, near 6 s.

    Args:
        transcripts: Rows of transcripts.json (`clip`, `seconds`, `language`, `text`, `confidence`, `flags`).

    Raises:
        InputError: if no clip with text has a usable length.
    """
    usable = [row for row in transcripts if row["text"] and SHORTEST_REFERENCE <= row["seconds"] <= LONGEST_REFERENCE]
    if not usable:
        limits = f"{SHORTEST_REFERENCE:g} and {LONGEST_REFERENCE:g} s"
        raise InputError(
            f"no clip with a transcript lasts between {limits}, so there is no reference clip; change the slicing"
        )
    return sorted(
        usable,
        key=lambda row: (
            bool(row.get("flags")),
            len([part for part in _SENTENCE_END.split(row["text"]) if part.strip()]) > 1,
            -round(row.get("confidence") or 0.0, 1),
            abs(row["seconds"] - _BEST_REFERENCE),
            row["clip"],
        ),
    )


def choose_reference(transcripts: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the first of the `reference_candidates`.

    Raises:
        InputError: if no clip with text has a usable length.
    """
    return reference_candidates(transcripts)[0]


def main_language(transcripts: Iterable[Mapping[str, Any]]) -> str:
    """Return the language that most seconds are spoken in."""
    seconds: dict[str, float] = {}
    for row in transcripts:
        seconds[row["language"]] = seconds.get(row["language"], 0.0) + row["seconds"]
    return max(sorted(seconds), key=lambda language: seconds[language]).lower()
