"""What a file of generated speech says of itself: its provenance, as JSON in its comment."""

from __future__ import annotations

import io
import json
from typing import Any

from voicemill import __version__

TITLE = "Synthetic speech"


def provenance(**details: Any) -> str:
    """Return what is written into a file of generated speech, as JSON.

    Args:
        **details: Whose voice, which text, and what else is known.
    """
    return json.dumps({"generated": True, **details, "by": software()}, ensure_ascii=False)


def software() -> str:
    """Return what made the speech."""
    return f"voicemill {__version__}"


def encode_speech(samples: Any, rate: int, **details: Any) -> bytes:
    """Return a WAV file of 16-bit speech that says that a machine spoke (RIFF LIST/INFO: ICMT, ISFT, INAM).

    Args:
        samples: int16 `[n]`.
        rate: Sampling rate in Hz.
        **details: Its provenance, see `provenance`.
    """
    import soundfile

    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, 1, "PCM_16", format="WAV") as sink:
        sink.comment = provenance(**details)
        sink.software = software()
        sink.title = TITLE
        sink.write(samples)
    return file.getvalue()


def encode_marked_speech(
    samples: Any, rate: int, *, speaker: str, voice: str, text: str, seed: int, watermark: str = ""
) -> bytes:
    """A WAV file of 16-bit speech with its provenance: that it is generated, by which voice, from which text and seed.

    Args:
        samples: int16 `[n]`.
        rate: Sampling rate in Hz.
        speaker: Whose voice.
        voice: The voice's version.
        text: What was said.
        seed: By which it is said the same way again.
        watermark: The name of the mark in the samples, empty where there is none: it is made when they are spoken.
    """
    return encode_speech(samples, rate, speaker=speaker, voice=voice, text=text, seed=seed, watermark=watermark)
