"""Text to speech: the two models, what stands before them and what comes after."""

from voicemill.gpt_sovits.synthesis.fragments import Fragment
from voicemill.gpt_sovits.synthesis.reference import Reference
from voicemill.gpt_sovits.synthesis.synthesizer import Options, Script, Speech, Synthesizer

__all__ = ["Fragment", "Options", "Reference", "Script", "Speech", "Synthesizer"]
