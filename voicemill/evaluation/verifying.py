"""The verifier of a voice: who hears its lines, what is tried on those that fail, and what its speaker sounds like."""

from __future__ import annotations

import sys
from pathlib import Path

from voicemill.core.errors import UsageError
from voicemill.core.logs import get_logger
from voicemill.evaluation.speaker_similarity import SpeakerLikeness
from voicemill.gpt_sovits.synthesis import Options
from voicemill.synthesis.speaking import SpeakingVoice
from voicemill.synthesis.verification.listening import Verify, choose
from voicemill.synthesis.verification.mending import MOST_TAKES, plan
from voicemill.synthesis.verification.verifier import Verifier

log = get_logger(__name__)

_FREE_BYTES = 5 * 2**30
"""Whisper large-v3 with 8-bit weights takes 2.5 GB of GPU memory for a line, and speech wants room beside it."""


def verifier_for(
    verify: Verify,
    models: Path | None,
    language: str,
    speaking: SpeakingVoice,
    options: Options,
    most: int = MOST_TAKES,
) -> Verifier | None:
    """Return the verifier of a voice's lines, or None where they are not verified.

    Args:
        verify: As `voicemill.synthesis.verification.choose`.
        models: Models folder; None where there is none, in which nobody hears.
        language: Of most lines.
        speaking: The voice, its models loaded.
        options: How its lines are spoken.
        most: Most takes of a line that fails.

    Raises:
        UsageError: It was asked for, and no recogniser of that language is there.
    """
    if models is None:
        if verify in ("auto", "off"):
            return None
        raise UsageError("lines are verified by a recogniser of the models folder; name one that is there")
    mode, ear, second = choose(verify, models, language, device=_device)
    if ear is None:
        return None
    if mode == "report":
        return Verifier(ear, speaking.reference)
    if second is None:
        log.warning("%s both chooses the takes and reports on them: no second recogniser is available", ear.name)
    likeness = SpeakerLikeness([speaking.reference.audio])
    steps = plan(options, uses_words=bool(speaking.reference.text), clips=sorted(speaking.references), most=most)
    return Verifier(ear, speaking.reference, steps, second, likeness.similarity)


def _device() -> str:
    """Return "cuda" where the GPU has room for a recogniser beside the voice, else "cpu"."""
    # Where voices speak without torch there is no GPU either.
    torch = sys.modules.get("torch")
    return "cuda" if torch and torch.cuda.is_available() and torch.cuda.mem_get_info()[0] >= _FREE_BYTES else "cpu"
