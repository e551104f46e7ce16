"""The public Python API: load a voice and let it speak.

    from voicemill import Voice

    with Voice.load("out/voice", models="models") as voice:
        voice.say("Good morning.").save("morning.wav")
        for speech in voice.say_all(["One.", "Two.", "Three."]):
            print(speech.text, speech.seconds, speech.unpronounced)
        sure = voice.say("Nobody listens to this one.", verify="mend")
        print(sure.verification["outcome"])
        for samples in voice.stream("A long text, heard while it is spoken."):
            player.write(samples)

Importing this module loads neither torch nor a model; `Voice.load` does.
"""

from voicemill.api.speech import Speech, SpeechStream
from voicemill.api.voice import Voice
from voicemill.core.errors import InputError, MissingModelError, UsageError, VoicemillError

__all__ = ["InputError", "MissingModelError", "Speech", "SpeechStream", "UsageError", "Voice", "VoicemillError"]
