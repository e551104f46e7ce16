"""What a voice depends on, as one digest, and which version was built from it.

<registry>/<speaker>/_builds/<digest>.json      the version that was built from what the digest stands for
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from voicemill.contract.code import code_version
from voicemill.core import logs
from voicemill.core.digests import content_digest
from voicemill.core.errors import InputError
from voicemill.registry import documents, names, records
from voicemill.storage import Store, fingerprint
from voicemill.voice.stages import STAGES

log = logs.get_logger(__name__)

PLACES = ("source", "models", "speaker-of", "transcripts-file", "lexicon", "review")
"""Parameters that name places: their content counts."""

NOT_IN_THE_DIGEST = (
    # where the voice goes, and who may take its place
    "registry",
    "alias",
    "compare-lines",
    "max-error-rate-rise",
    "max-similarity-drop",
    "max-failing-rise",
    # what it says when it is there
    "text",
    # whether work is done again that was done before
    "reuse",
    # how long a person has to answer, not what the answer is
    "proofread-limit",
)
"""Parameters of build-voice that a voice does not follow from. All others count."""


def digest(parameters: Mapping[str, str]) -> str:
    """Return the digest of recordings, models, code and parameters.

    Args:
        parameters: The workflow's.

    Raises:
        InputError: if a place does not exist.
    """
    places = {name: fingerprint(parameters[name]) for name in PLACES if parameters.get(name)}
    others = {name: value for name, value in parameters.items() if name not in (*PLACES, *NOT_IN_THE_DIGEST)}
    code = {stage: code_version(f"voicemill.stages.{stage}") for stage in STAGES}
    content = {"places": places, "parameters": others, "code": code}
    return content_digest(json.dumps(content, sort_keys=True))


@dataclass(frozen=True)
class Build:
    """A version that was built, and what was found when it was compared."""

    version: str
    outcome: str


@dataclass(frozen=True)
class _Note(Build):
    at: str = ""
    by: str = ""


def built(registry: Store, speaker: str, digest: str) -> Build | None:
    """Return what was built from this and is still there, or None, also where what was noted of it is damaged."""
    key = _key(speaker, digest)
    try:
        found = documents.read(registry, key)
        noted = documents.shaped(_Note, found[0], key) if found else None
        if noted is None or not names.is_version(noted.version) or not records.find(registry, speaker, noted.version):
            return None
    except InputError as error:
        log.warning("built again: %s", error)
        return None
    return Build(noted.version, noted.outcome)


def remember(registry: Store, speaker: str, digest: str, build: Build) -> None:
    """Note what was built."""
    about = {**asdict(build), "at": documents.now(), "by": documents.who()}
    registry.write(_key(speaker, digest), documents.encode(about))


def _key(speaker: str, digest: str) -> str:
    return f"{names.check_speaker(speaker)}/_builds/{digest}.json"
