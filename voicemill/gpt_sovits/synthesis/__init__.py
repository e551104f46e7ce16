"""Text to speech: the two models, what stands before them and what comes after.

speaker         from text to lines of speech, whatever the models run by; synthesizer: by torch
fragments, parts, script, reference, waveform   what goes through it, in NumPy
sound           what makes sound of tokens: latent_sound in v1 to v2ProPlus, mel_sound in v3 and v4
streaming, chunks   speech that is heard while it is made
recordings      what the models find in a reference recording
timing          when each word is said

What this package exports needs no torch.
"""

from voicemill.gpt_sovits.synthesis.fragments import Fragment
from voicemill.gpt_sovits.synthesis.reference import Reference
from voicemill.gpt_sovits.synthesis.script import Mark, Options, Prompt, Quirks, Script, Speech
from voicemill.gpt_sovits.synthesis.speaker import Speaker

__all__ = ["Fragment", "Mark", "Options", "Prompt", "Quirks", "Reference", "Script", "Speaker", "Speech"]
