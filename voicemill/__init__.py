"""voicemill turns recordings of a speaker into a voice that speaks new text."""

import os

__version__ = "0.1.0"

# Or else the wheels of onnxruntime report each process that imports them to their maker, from threads of their own.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
