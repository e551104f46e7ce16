"""Lines become files: what is spoken already is kept, the rest is spoken in batches, every line is accounted for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from voicemill import __version__
from voicemill.contract import Ledger, check_stop, progress
from voicemill.core.digests import content_digest
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.synthesis import Options, Script, Speech
from voicemill.synthesis.marking import encode_marked_speech
from voicemill.synthesis.prompts import Prompts
from voicemill.synthesis.resume_cache import Row, Takes
from voicemill.synthesis.script import Line
from voicemill.synthesis.speaking import SpeakingVoice
from voicemill.synthesis.verification.outcome import KEY, Verification
from voicemill.synthesis.verification.verifier import Verifier

_BATCHES = 4
"""Batches of fragments from one safe point to the next: lines are then rarely alone in a batch."""


@dataclass(frozen=True)
class Manner:
    """How lines are spoken that do not say it themselves.

    Attributes:
        language: Their language.
        speed: 2 is twice as fast.
        seed: The same seed speaks a line the same way.
        options: The rest.
        reference: Name of the voice's reference clip; empty is the usual one.
    """

    language: str
    speed: float
    seed: int
    options: Options
    reference: str = ""

    def settings(self, line: Line) -> Row:
        """Return what is asked of a line: text, language, speed, seed, reference.

        Raises:
            InputError: As `Line.settings`.
        """
        own = {"language": self.language, "speed": self.speed, "seed": self.seed, "reference": self.reference}
        return own | line.settings()

    def fingerprint(self, **more: Any) -> str:
        """Digest of what all lines depend on beside their own settings; the size of batches is not part of it.

        Args:
            **more: What else they depend on, as JSON can hold it.
        """
        options = asdict(replace(self.options, batch_size=1, decode_at_once=None))
        text = json.dumps([options, more, __version__], sort_keys=True, ensure_ascii=False)
        return content_digest(text)


def speak_lines(
    lines: Iterable[Line],
    speaking: SpeakingVoice,
    manner: Manner,
    takes: Takes,
    ledger: Ledger,
    *,
    version: str,
    others: Sequence[Path] = (),
    verifier: Verifier | None = None,
) -> list[Row]:
    """Speak the lines that have not been spoken, and put every one into the ledger, in their order.

    What is spoken depends on a line's settings and on the voice only: not on the lines beside it, nor on what was
    spoken before a stop.

    Args:
        lines: What to say.
        speaking: The voice.
        manner: How.
        takes: Where what is spoken is kept; each batch ends at a safe point.
        ledger: For what is kept and dropped.
        version: The voice's version, for the rows and the files' provenance.
        others: More recordings of the speaker, whose voice is averaged with that of the voice's own reference.
        verifier: Hears the lines, and mends those that fail if it has steps.

    Returns:
        Rows of the lines that are kept, in order: file, text, language, speed, seed, voice, and how it went.

    Raises:
        Interrupted: if the stage was asked to stop; what was spoken is in `takes`.
        InputError: if the reference cannot be used.
    """
    wanted: dict[str, Row] = {}
    reasons: dict[str, str] = {}
    for line in lines:
        try:
            wanted[line.name] = manner.settings(line)
        except InputError as error:
            wanted[line.name], reasons[line.name] = {}, str(error)
    waiting = [name for name in wanted if name not in reasons and not takes.find(_file(name), wanted[name])]
    prompts = Prompts(speaking, others)
    if waiting:
        prompts.of(manner.reference)
    together = _BATCHES * manner.options.batch_size
    for start in progress(range(0, len(waiting), together), "speaking"):
        scripts: dict[str, Script] = {}
        for name in waiting[start : start + together]:
            try:
                settings = {key: value for key, value in wanted[name].items() if key != "reference"}
                prompts.of(wanted[name]["reference"])
                scripts[name] = speaking.synthesizer.script(text_split=manner.options.text_split, **settings)
            except InputError as error:
                reasons[name] = str(error)
        for reference in sorted({wanted[name]["reference"] for name in scripts}):
            of_it = {name: script for name, script in scripts.items() if wanted[name]["reference"] == reference}
            for batch in _perform(of_it, wanted, speaking, prompts, reference, manner.options, verifier):
                takes.add([_row(name, wanted[name], speaking, version, *spoken) for name, spoken in batch.items()])
        check_stop()
    rows: list[Row] = []
    for name, settings in wanted.items():
        row = takes.find(_file(name), settings) if name not in reasons else None
        if row is None:
            ledger.drop(name, reasons[name])
            continue
        silent = {"unpronounced": row["unpronounced"]} if row["unpronounced"] else {}
        silent |= {"reference": row["reference"]} if row["reference"] else {}
        silent |= {name: row[name] for name in ("words", KEY) if name in row}
        said = {
            key: row[key] for key in ("file", "language", "speed", "seed", "voice", "seconds", "cut_off", "watermark")
        }
        ledger.keep(name, **said, **silent)
        rows.append(row)
    return rows


def _file(name: str) -> str:
    return f"{name}.wav"


def _perform(
    scripts: dict[str, Script],
    wanted: Mapping[str, Row],
    speaking: SpeakingVoice,
    prompts: Prompts,
    reference: str,
    options: Options,
    verifier: Verifier | None,
) -> Iterator[Mapping[str, tuple[Speech, Verification | None]]]:
    """Speak lines of one reference, and let a verifier hear and mend them.

    Yields:
        Lines that are done, by name; those that have to be mended come after the others.
    """
    speeches = speaking.synthesizer.perform(list(scripts.values()), prompts.of(reference), options)
    spoken = dict(zip(scripts, speeches, strict=True))
    if verifier is None:
        yield {name: (speech, None) for name, speech in spoken.items()}
        return
    verifier = replace(verifier, reference=speaking.named(reference))
    heard = {name: verifier.verify(wanted[name], speech, options) for name, speech in spoken.items()}
    failed = {name: (wanted[name], line) for name, line in heard.items() if line.failed and verifier.steps}
    if done := {name: (line.speech, line.verification) for name, line in heard.items() if name not in failed}:
        yield done
    if failed:
        mended = verifier.mend(failed, speaking.synthesizer, lambda step: prompts.of_step(step, reference))
        yield {name: (line.speech, line.verification) for name, line in mended.items()}


def _row(
    name: str,
    settings: Row,
    speaking: SpeakingVoice,
    version: str,
    speech: Speech,
    verification: Verification | None,
) -> tuple[Row, bytes]:
    # The seed of the row is the one that was asked for: by it the line is found, and mended the same way again.
    row = {"file": _file(name), **settings, "voice": version, **speech.report, "seed": settings["seed"]}
    if verification:
        row |= {KEY: verification.row()}
    content = encode_marked_speech(
        speech.pcm16(),
        speech.rate,
        speaker=speaking.voice.speaker,
        voice=version,
        text=row["text"],
        seed=row["seed"],
        watermark=row["watermark"],
    )
    return row, content
