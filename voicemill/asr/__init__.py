"""Speech recognition: what is said in a clip, how sure that is, and what a person should look at again."""

from voicemill.asr.choice import recognizer
from voicemill.asr.transcript import Recognizer, Transcript

__all__ = ["Recognizer", "Transcript", "recognizer"]
