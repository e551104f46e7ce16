"""What the models found in a voice's reference clips, kept beside it: whoever speaks need not read them again.

`references.safetensors` has three or four tensors for each clip, under the SHA-256 of the clip's file:

    <sha256>.tokens     int32 `[T]`: semantic tokens of the clip and 0.6 s of silence
    <sha256>.speaker    float32 `[1, G, 1]`: speaker embedding
    <sha256>.phones     int32 `[P]`: numbers of the phones of its text; not for a clip without a text
    <sha256>.bert       float32 `[1024, P]`: BERT's rows of them; left out where they are zeros

and the metadata `voicemill`, a JSON object: `format`, the SHA-256 of the acoustic model that read the clips (`sovits`),
a digest of HuBERT (`hubert`), and for each clip `text`, `language`, `norm_text` and who pronounced it (`front_end`).

A clip or an acoustic model that has changed since has another digest: what was found then is not used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.core.logs import get_logger

FILE = "references.safetensors"
FORMAT = 1
BERT_CHANNELS = 1024
_METADATA = "voicemill"
_KIND = "references"
_HINT = "fetch the voice again, or delete the file: the clips are then read when the voice is loaded"
_TYPES = {"tokens": "I32", "speaker": "F32", "phones": "I32", "bert": "F32"}
_CODEBOOK = 1024
log = get_logger(__name__)


@dataclass(frozen=True)
class StoredText:
    """The words of a clip, pronounced.

    Attributes:
        text: As it was pronounced, with a full stop.
        language: Its language.
        norm_text: Normalised.
        front_end: Digest of who pronounced it.
        phones_P: Numbers of its phones, int32.
        bert_CP: BERT's rows, float32 `[1024, P]`; None where they are zeros.
    """

    text: str
    language: str
    norm_text: str
    front_end: str
    phones_P: np.ndarray
    bert_CP: np.ndarray | None = None


@dataclass(frozen=True)
class StoredFeatures:
    """What the models found in a clip.

    Attributes:
        tokens_T: Semantic tokens, int32.
        speaker_1G1: Speaker embedding, float32.
        said: Its words; None without a text.
    """

    tokens_T: np.ndarray
    speaker_1G1: np.ndarray
    said: StoredText | None = None


@dataclass(frozen=True)
class ReferenceFile:
    """What `references.safetensors` holds.

    Attributes:
        sovits: SHA-256 of the acoustic model.
        hubert: Digest of HuBERT's folder.
        clips: By the SHA-256 of the clips.
    """

    sovits: str
    hubert: str
    clips: Mapping[str, StoredFeatures]

    def only(self, clips: set[str]) -> ReferenceFile:
        """Return the same of some clips."""
        return ReferenceFile(self.sovits, self.hubert, {key: self.clips[key] for key in self.clips if key in clips})

    def write(self, folder: Path) -> None:
        """Write the file into a voice's folder, or an evaluation's."""
        from safetensors.numpy import save_file

        tensors: dict[str, np.ndarray] = {}
        about: dict[str, dict[str, str] | None] = {}
        for key, found in sorted(self.clips.items()):
            tensors |= {f"{key}.tokens": found.tokens_T, f"{key}.speaker": found.speaker_1G1}
            about[key] = None
            if said := found.said:
                tensors[f"{key}.phones"] = said.phones_P
                if said.bert_CP is not None:
                    tensors[f"{key}.bert"] = said.bert_CP
                about[key] = {name: getattr(said, name) for name in ("text", "language", "norm_text", "front_end")}
        content = {"kind": _KIND, "format": FORMAT, "sovits": self.sovits, "hubert": self.hubert, "clips": about}
        metadata = {_METADATA: json.dumps(content, ensure_ascii=False, sort_keys=True)}
        save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, folder / FILE, metadata)


@dataclass(frozen=True)
class _Words:
    text: str
    language: str
    norm_text: str
    front_end: str


@dataclass(frozen=True)
class _About:
    kind: str
    format: int
    sovits: str
    hubert: str
    clips: dict[str, _Words | None]


def read(folder: Path) -> ReferenceFile | None:
    """Return what a voice's folder, or an evaluation's, has of it; None without the file, or of a later format.

    Raises:
        InputError: If it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / FILE
    if not path.is_file():
        return None
    header = untrusted.read_safetensors_header(path, hint=_HINT)
    fields = untrusted.parse_json(header.metadata.get(_METADATA, "{}"), display(path), dict, hint=_HINT)
    if untrusted.member(fields, "format", int, display(path), hint=_HINT) > FORMAT:
        log.warning("%s has the later format %d and is not used; update voicemill", path, fields["format"])
        return None
    about = untrusted.shaped(_About, fields, display(path), hint=_HINT)
    try:
        with safe_open(path, "np") as file:
            tensors = {
                key: file.get_tensor(key)
                for key, (kind, _) in header.tensors.items()
                if _TYPES.get(key.rpartition(".")[2]) == kind
            }
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{display(path)} cannot be read as safetensors: {error}; {_HINT}") from error
    found: dict[str, StoredFeatures] = {}
    for key, words in about.clips.items():
        found[key] = _features(tensors, key, words)
        if problem := _problem(found[key]):
            raise InputError(f"{display(path)} is damaged: of the clip {display(key)}, {problem}; {_HINT}")
    return ReferenceFile(about.sovits, about.hubert, found)


def _features(tensors: Mapping[str, np.ndarray], key: str, words: _Words | None) -> StoredFeatures:
    nothing = np.zeros(0)
    parts = {name: tensors.get(f"{key}.{name}") for name in _TYPES}
    tokens_T, speaker_1G1, phones_P = (
        nothing if part is None else part for part in (parts["tokens"], parts["speaker"], parts["phones"])
    )
    said = StoredText(**asdict(words), phones_P=phones_P, bert_CP=parts["bert"]) if words else None
    return StoredFeatures(tokens_T, speaker_1G1, said)


def _problem(found: StoredFeatures) -> str:
    """Return what is wrong with what a file says of a clip; empty if nothing is."""
    tokens_T, speaker_1G1, said = found.tokens_T, found.speaker_1G1, found.said
    if tokens_T.ndim != 1 or not len(tokens_T) or tokens_T.min() < 0 or tokens_T.max() >= _CODEBOOK:
        return "tokens are missing or out of range"
    if speaker_1G1.shape != (1, speaker_1G1.size, 1) or not np.isfinite(speaker_1G1).all():
        return "the speaker embedding is missing or not finite"
    if said and (said.phones_P.ndim != 1 or not len(said.phones_P) or said.phones_P.min() < 0):
        return "phones are missing or out of range"
    if said and said.bert_CP is not None and said.bert_CP.shape != (BERT_CHANNELS, len(said.phones_P)):
        return "BERT's rows do not fit the phones"
    return ""
