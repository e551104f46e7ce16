"""Two voices speak the same lines, each with the options that it was chosen with, and are heard by the same judge."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from voicemill.core.errors import InputError
from voicemill.evaluation.promotion_gate import Heard

Backend = Literal["auto", "whisper", "sensevoice", "paraformer", "pocketsphinx"]


def listen(
    voices: dict[str, Path], audio: Path, models: Path, *, lines: int, seed: int, backend: Backend
) -> dict[str, Heard]:
    """Let each voice speak, with the options that it was chosen with, and measure it.

    Likeness is measured against the reference recordings of all the voices together, so that none is judged by its
    own alone.

    Args:
        voices: Voice folders by version, of one speaker.
        audio: Folder for what they said; each voice has one of its own in it.
        models: Models folder.
        lines: How many lines each speaks.
        seed: The same seed speaks the lines the same way.
        backend: Recogniser that counts the errors.
    """
    from voicemill import asr
    from voicemill.evaluation.metrics import Judge
    from voicemill.evaluation.sentences import held_out_lines
    from voicemill.evaluation.speaker_similarity import SpeakerLikeness
    from voicemill.synthesis.load import load_voice, recite
    from voicemill.synthesis.options import options_of
    from voicemill.voice.manifest import read_voice

    clips = [folder / read_voice(folder, verify=False).reference.file for folder in voices.values()]
    language = read_voice(next(iter(voices.values())), verify=False).language
    asked = held_out_lines(language, lines)
    judge = Judge(asr.recognizer(backend, models, language), SpeakerLikeness(clips), language)
    heard: dict[str, Heard] = {}
    for version, folder in voices.items():
        speaking = load_voice(folder, models)
        generation = speaking.voice.generation
        reference, options = generation.prompt(speaking.reference), options_of(generation)
        spoken = recite(speaking.synthesizer, reference, asked, language, seed, options, generation.speed)
        (audio / version).mkdir(parents=True)
        try:
            measure = judge.measure("sovits", "gpt", asked, spoken, audio / version)
        except InputError as error:
            # What speaks no numbers is as bad as can be, and the report says why.
            heard[version] = Heard(version, 1.0, -1.0, [_silent(str(error))])
        else:
            heard[version] = Heard(version, measure.error_rate, measure.similarity, measure.lines)
    return heard


def _silent(reason: str) -> dict[str, object]:
    return {"text": reason, "heard": "", "error_rate": 1.0, "similarity": -1.0, "seconds": 0.0, "audio": ""}
