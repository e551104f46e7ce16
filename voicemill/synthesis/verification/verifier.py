"""Hears the lines that were spoken; what fails is spoken again in other ways, until it passes or all were tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from voicemill.contract import check_stop
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.synthesis import Options, Prompt, Reference, Script, Speaker, Speech
from voicemill.synthesis.verification.listening import Ear, spoken_language
from voicemill.synthesis.verification.measures import Asked, Finding, Sound, examine
from voicemill.synthesis.verification.mending import Step, seed_of
from voicemill.synthesis.verification.outcome import Mended, Verification
from voicemill.synthesis.verification.rules import RULES, Cause, Rules
from voicemill.text import scoring

Settings = Mapping[str, Any]
"""Of a line: text, language, speed, seed."""
Likeness = Callable[[np.ndarray, int], float]
"""Likeness to the speaker, 1 at most, of samples `[n]` at a rate."""


@dataclass(frozen=True)
class Spoken:
    """A line that was spoken, and what was found about it; None where nobody could hear it."""

    speech: Speech
    verification: Verification

    @property
    def failed(self) -> bool:
        return self.verification.outcome == "failed"


@dataclass(frozen=True)
class Verifier:
    """Hears lines, and mends those that fail where it is given steps.

    What it decides about a line depends on that line and on its seed alone, not on the lines beside it.

    Attributes:
        ear: Who hears the lines and decides.
        reference: The clip whose words must not be in them.
        steps: What to try on a line that fails; none reports only.
        second: Another recogniser, which has no part in the choice and hears the lines that were mended.
        likeness: Chooses among takes that are equally right.
        rules: Thresholds; None takes those of the recogniser.
    """

    ear: Ear
    reference: Reference
    steps: Sequence[Step] = ()
    second: Ear | None = None
    likeness: Likeness | None = None
    rules: Rules | None = None

    def fingerprint(self) -> dict[str, Any]:
        """Return what the lines depend on, as JSON can hold it."""
        steps = [asdict(step) for step in self.steps]
        for step in steps:
            step["options"] |= {"batch_size": 1, "decode_at_once": None}
        second = self.second.name if self.second else ""
        rules = asdict(self.rules or RULES[self.ear.name])
        return {"recogniser": self.ear.name, "second": second, "rules": rules, "steps": steps}

    def verify(self, settings: Settings, speech: Speech, options: Options) -> Spoken:
        """Hear a line.

        Args:
            settings: What was asked.
            speech: What was spoken.
            options: How; the pause after each piece does not count as silence of the line.
        """
        finding = self._examine(settings, speech, options)
        if finding is None:
            return Spoken(speech, Verification("not-heard", self.ear.name))
        return Spoken(speech, Verification("verified" if finding.passes else "failed", self.ear.name, finding))

    def verify_all(
        self,
        spoken: Sequence[tuple[Settings, Speech]],
        options: Options,
        synthesizer: Speaker,
        prompts: Callable[[str], Prompt],
    ) -> list[Spoken]:
        """Hear lines, and mend those that fail where there are steps.

        Args:
            spoken: Lines, what was asked and what was spoken.
            options: How they were spoken.
            synthesizer: As `mend`.
            prompts: As `mend`.
        """
        heard = [self.verify(settings, speech, options) for settings, speech in spoken]
        failed = {
            str(place): (settings, line)
            for place, ((settings, _), line) in enumerate(zip(spoken, heard, strict=True))
            if line.failed and self.steps
        }
        mended = self.mend(failed, synthesizer, prompts)
        return [mended.get(str(place), line) for place, line in enumerate(heard)]

    def mend(
        self,
        failed: Mapping[str, tuple[Settings, Spoken]],
        synthesizer: Speaker,
        prompts: Callable[[str], Prompt],
    ) -> dict[str, Spoken]:
        """Speak lines that failed again, step by step; all lines that still fail go through a step together.

        Args:
            failed: Lines by name, their settings and what was spoken.
            synthesizer: Speaks.
            prompts: Prepares a step's prompt.

        Returns:
            All of them: `mended`, or `unfixable` with the take that has the fewest errors.

        Raises:
            Interrupted: The stage was asked to stop.
        """
        lines = {name: _Line(settings, spoken) for name, (settings, spoken) in failed.items()}
        for step in self.steps:
            waiting = [line for line in lines.values() if not line.is_mended]
            again = [(line, script) for line in waiting for script in self._scripts(line, step, synthesizer)]
            if not again:
                continue
            spoken = synthesizer.perform([script for _, script in again], prompts(step.prompt), step.options)
            for (line, script), speech in zip(again, spoken, strict=True):
                finding = self._examine(line.settings, speech, step.options)
                assert finding, "a line that was heard before can be heard again"
                line.takes.append(_Take(step.how, script.seed, speech, finding))
            for line in waiting:
                self._choose(line)
            check_stop()
        return {name: self._outcome(line) for name, line in lines.items()}

    def _examine(self, settings: Settings, speech: Speech, options: Options) -> Finding | None:
        text, language = settings["text"], spoken_language(settings["text"], settings["language"])
        if not self.ear.knows(language):
            return None
        reference = self.reference
        comparable = spoken_language(reference.text, reference.language) == language
        asked = Asked(
            text,
            language,
            reference.text if comparable else "",
            speed=settings["speed"],
            pause=options.pause_seconds,
        )
        sound, rules = Sound.of(speech.samples, speech.rate), self.rules or RULES[self.ear.name]
        finding = None
        for heard in self.ear.hearings(speech.samples, speech.rate, language):
            finding = examine(asked, heard, sound, rules, cut_off=speech.report["cut_off"])
            if finding.passes:
                break
        return finding

    def _scripts(self, line: _Line, step: Step, synthesizer: Speaker) -> list[Script]:
        """Return the takes of a step; none where the line would be cut as before and spoken as before."""
        text, language, speed, seed = (line.settings[name] for name in ("text", "language", "speed", "seed"))
        seeds = [seed_of(seed, step.how, take) for take in range(step.takes)]
        try:
            first = synthesizer.script(text, language, text_split=step.options.text_split, speed=speed, seed=seeds[0])
        except InputError:
            # Cut otherwise, no piece of it can be spoken alone.
            return []
        before = [piece["text"] for piece in line.first.speech.report["fragments"]]
        if step.how in ("whole", "clauses") and [fragment.text for fragment in first.fragments] == before:
            return []
        return [Script(first.fragments, speed, seed, first.unpronounced) for seed in seeds]

    def _choose(self, line: _Line) -> None:
        """Keep the take with the fewest errors: of those that pass, if any does; of equals the one most alike."""
        right = [take for take in line.takes if take.finding.passes]
        best = min((take.badness for take in right or line.takes), default=None)
        equal = [take for take in right or line.takes if take.badness == best]
        if len(equal) > 1 and self.likeness:
            judge = self.likeness
            equal.sort(key=lambda take: -round(judge(take.speech.samples, take.speech.rate), 4))
        line.best = equal[0] if equal else None
        line.is_mended = bool(right)

    def _outcome(self, line: _Line) -> Spoken:
        first = line.first.verification.finding
        assert first, "only a line that was heard can fail"
        best = line.best
        if best is None or (not line.is_mended and best.badness >= _badness(first)):
            best = _Take("", line.settings["seed"], line.first.speech, first)
        mended = Mended(len(line.takes), best.how, best.seed, first, self._report(line, best))
        outcome = "mended" if line.is_mended else "unfixable"
        return Spoken(best.speech, Verification(outcome, self.ear.name, best.finding, mended))

    def _report(self, line: _Line, best: _Take) -> dict[str, Any]:
        """Let the second recogniser hear a mended line before and after."""
        language = spoken_language(line.settings["text"], line.settings["language"])
        if not line.is_mended or self.second is None or not self.second.knows(language):
            return {}
        wanted = scoring.phones(line.settings["text"], language)
        found: dict[str, Any] = {"recogniser": self.second.name}
        for when, speech in (("before", line.first.speech), ("after", best.speech)):
            heard = self.second.hear(speech.samples, speech.rate, language)
            found[when] = [scoring.difference(wanted, scoring.phones(heard, language)).errors, len(wanted)]
        return found


@dataclass(frozen=True)
class _Take:
    how: str
    seed: int
    speech: Speech
    finding: Finding

    @property
    def badness(self) -> tuple[bool, int, int]:
        return _badness(self.finding)


@dataclass
class _Line:
    settings: Settings
    first: Spoken
    takes: list[_Take]
    best: _Take | None
    is_mended: bool

    def __init__(self, settings: Settings, first: Spoken) -> None:
        self.settings, self.first = settings, first
        self.takes, self.best, self.is_mended = [], None, False


def _badness(finding: Finding) -> tuple[bool, int, int]:
    """Return by what takes are ordered: unusable samples, then errors, then rules broken."""
    return Cause.NOT_FINITE in finding.causes, finding.phones.errors, len(finding.causes)
