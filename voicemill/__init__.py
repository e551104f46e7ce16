"""voicemill turns recordings of a speaker into a voice that speaks new text.

from voicemill import Voice

with Voice.load("out/voice", models="models") as voice:
    voice.say("Good morning.").save("morning.wav")
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicemill.api import InputError, MissingModelError, Speech, SpeechStream, UsageError, Voice, VoicemillError

__version__ = "0.1.0"
__all__ = [
    "InputError",
    "MissingModelError",
    "Speech",
    "SpeechStream",
    "UsageError",
    "Voice",
    "VoicemillError",
    "__version__",
]

# Or else the wheels of onnxruntime report each process that imports them to their maker, from threads of their own.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def __getattr__(name: str) -> Any:
    """Return the public API, imported when it is first asked for: `import voicemill` alone loads nothing."""
    if name in __all__:
        from voicemill import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
