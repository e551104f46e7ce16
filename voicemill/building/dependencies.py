"""What a voice depends on, as one digest, and which version was built from it.

<registry>/<speaker>/_builds/<digest>.json      the version that was built from what the digest stands for
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from voicemill.contract.code import code_version
from voicemill.registry import documents, names, records
from voicemill.storage import Store, fingerprint

STAGES = (
    "ingest",
    "separate",
    "measure",
    "dereverb",
    "denoise",
    "level",
    "slice",
    "transcribe",
    "revise",
    "format",
    "train_sovits",
    "train_gpt",
    "evaluate",
    "publish",
)
"""Whose code makes a voice."""

_PLACES = ("source", "models", "labels", "lexicon")
"""Parameters that name places: their content counts."""

_ELSEWHERE = (
    "registry",
    "alias",
    "lines",
    "top-k",
    "top-p",
    "temperature",
    "repetition-penalty",
    "beams",
    "cut",
    "prompted",
    "compare-lines",
    "max-error-rate-rise",
    "max-similarity-drop",
    "review",
    "proofread",
    "proofread-limit",
    "proofread-unanswered",
)
"""Parameters that a voice does not follow from, but where it goes and what is done with it."""


def digest(parameters: Mapping[str, str]) -> str:
    """The digest of recordings, models, code and parameters.

    Args:
        parameters: The workflow's.

    Raises:
        InputError: if a place does not exist.
    """
    places = {name: fingerprint(parameters[name]) for name in _PLACES if parameters.get(name)}
    others = {name: value for name, value in parameters.items() if name not in (*_PLACES, *_ELSEWHERE)}
    code = {stage: code_version(f"stages.{stage}") for stage in STAGES}
    content = {"places": places, "parameters": others, "code": code}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Build:
    """A version that was built, and what was found when it was compared."""

    version: str
    outcome: str


def built(registry: Store, speaker: str, digest: str) -> Build | None:
    """What was built from this and is still there, or None."""
    found = documents.read(registry, _key(speaker, digest))
    if found is None or records.find(registry, speaker, found[0]["version"]) is None:
        return None
    return Build(found[0]["version"], found[0]["outcome"])


def remember(registry: Store, speaker: str, digest: str, build: Build) -> None:
    """Note what was built."""
    about = {**asdict(build), "at": documents.now(), "by": documents.who()}
    registry.write(_key(speaker, digest), documents.encode(about))


def _key(speaker: str, digest: str) -> str:
    return f"{names.check_speaker(speaker)}/_builds/{digest}.json"
