"""Two voices speak the same lines, each with the options that it was chosen with, and are heard by the same judge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from voicemill.core.errors import InputError
from voicemill.core.logs import get_logger
from voicemill.evaluation.promotion_gate import Heard, Tolerance, Verdict, judge, level_of
from voicemill.synthesis.verification.rules import Cause
from voicemill.text import scoring

log = get_logger(__name__)

Backend = Literal["auto", "whisper", "sensevoice", "paraformer", "pocketsphinx"]
_SEEDS_A_TAKE = 1_000
"""Seeds of two takes are so far apart: more than lines are spoken."""


class Listening:
    """Voices of one speaker, and who listens to them.

    Likeness is measured against the reference recordings of all the voices together, so that none is judged by its
    own alone.

    Args:
        voices: Voice folders by version.
        audio: Folder for what they say; each voice has one of its own in it.
        models: Models folder.
        lines: How many lines each speaks.
        seed: The same seed speaks the lines the same way.
        backend: Recogniser that counts the errors.
    """

    def __init__(
        self, voices: Mapping[str, Path], audio: Path, models: Path, *, lines: int, seed: int, backend: Backend
    ) -> None:
        from voicemill import asr
        from voicemill.evaluation.judging import Judge
        from voicemill.evaluation.sentences import held_out_lines
        from voicemill.evaluation.speaker import Clip, Speaker
        from voicemill.synthesis.speaking import load_voice

        self.speaking = {version: load_voice(folder, models) for version, folder in voices.items()}
        references = [one.voice.reference for one in self.speaking.values()]
        clips = [
            Clip(folder / reference.file, reference.text, reference.language)
            for folder, reference in zip(voices.values(), references, strict=True)
        ]
        language = next(iter(self.speaking.values())).voice.language
        self.judge = Judge(asr.recognizer(backend, models, language), Speaker(clips), language)
        self.asked, self.audio, self.seed = held_out_lines(language, lines), audio, seed

    def take(self, number: int) -> dict[str, Heard]:
        """Let each voice speak the lines, with the options that it was chosen with, and measure it.

        Args:
            number: Which take it is, from 1; each has seeds of its own.
        """
        from voicemill.evaluation.judging import asked_by
        from voicemill.synthesis.options import options_of
        from voicemill.synthesis.speaking import recite

        heard, language = {}, self.judge.language
        for version, one in self.speaking.items():
            generation = one.voice.generation
            reference, options = generation.prompt(one.reference), options_of(generation)
            seed = self.seed + _SEEDS_A_TAKE * (number - 1)
            spoken = recite(one.synthesizer, reference, self.asked, language, seed, options, generation.speed)
            manner = asked_by(reference, language, options, generation.speed)
            folder = self.audio / version
            folder.mkdir(parents=True, exist_ok=True)
            try:
                found = self.judge.measure(
                    "sovits", "gpt", self.asked, spoken, folder, manner=manner, name=f"take-{number}"
                )
            except InputError as error:
                # What speaks no numbers is as bad as can be, and the report says why.
                rows = [_silent(line, str(error), language) for line in self.asked]
                heard[version] = Heard(version, 1.0, -1.0, [{**row, "take": number} for row in rows], 1.0)
            else:
                rows = [{**row, "take": number} for row in found.lines]
                heard[version] = Heard(version, found.error_rate, found.similarity, rows, found.failing)
        return heard


def decide(
    listening: Listening, speaker: str, alias: str, new: str, old: str, tolerance: Tolerance, *, most_takes: int
) -> Verdict:
    """Compare two voices, by as many takes of the lines as it needs to tell whether the new one is worse.

    Args:
        listening: Both voices, or one where they are the same.
        speaker: Whose voices.
        alias: Name of the promoted version.
        new: Version of the new voice.
        old: Version of the promoted one.
        tolerance: Margins within which the new one counts as not worse.
        most_takes: After so many takes what is undecided is worse.
    """
    heard = listening.take(1)
    verdict = judge(speaker, alias, heard[new], heard[old], tolerance, level_of(1, most_takes))
    for number in range(2, most_takes + 1):
        if verdict.is_decided:
            break
        log.info("undecided after %d takes: each voice speaks the lines again", number - 1)
        again = listening.take(number)
        heard = {version: one.and_again(again[version]) for version, one in heard.items()}
        verdict = judge(speaker, alias, heard[new], heard[old], tolerance, level_of(number, most_takes))
    return verdict


def _silent(line: str, reason: str, language: str) -> dict[str, object]:
    words = scoring.score(line, "", language).words.length
    numbers = {"errors": words, "words": words, "error_rate": 1.0, "similarity": -1.0, "seconds": 0.0}
    return {"text": line, "heard": f"({reason})", "causes": [str(Cause.NOT_FINITE)], **numbers, "audio": ""}
