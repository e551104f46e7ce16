"""Text to speech: the two models, what stands before them and what comes after."""

from voicemill.gpt_sovits.synthesis.fragments import Fragment
from voicemill.gpt_sovits.synthesis.reference import Reference
from voicemill.gpt_sovits.synthesis.script import Mark, Options, Prompt, Quirks, Script, Speech
from voicemill.gpt_sovits.synthesis.synthesizer import Synthesizer

__all__ = ["Fragment", "Mark", "Options", "Prompt", "Quirks", "Reference", "Script", "Speech", "Synthesizer"]
