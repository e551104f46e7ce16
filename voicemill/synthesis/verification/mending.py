"""What is tried on a line that failed, and in which order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from voicemill.gpt_sovits.synthesis import Options
from voicemill.synthesis.script import LARGEST_SEED

SEEDS = 3
"""How many other seeds are tried together; the best of them is taken."""
BEAMS = 4
MOST_TAKES = 6
"""How often a line is spoken again at most, unless told otherwise."""
_LIVELY_TOP_K, _LIVELY_TEMPERATURE = 5, 0.8
_WHOLE, _AT_CLAUSES = "cut0", "cut5"
OWN, WORDLESS = "", "-"
"""Prompts: the voice's own, and the same without its words. Any other name is another clip of the voice."""


@dataclass(frozen=True)
class Step:
    """One way to speak a line again.

    Attributes:
        how: Its name in manifest, ledger and report.
        options: How the line is spoken.
        prompt: `OWN`, `WORDLESS`, or the name of another clip.
        takes: How often, each time by another seed.
    """

    how: str
    options: Options
    prompt: str = OWN
    takes: int = 1


def plan(options: Options, *, uses_words: bool, clips: Sequence[str] = (), most: int = MOST_TAKES) -> list[Step]:
    """Return what to try, in order: another seed, other cuts, beams, without the reference's words, other clips.

    Args:
        options: How the lines were spoken.
        uses_words: Whether they resumed from the reference clip's words.
        clips: Names of other reference clips of the voice.
        most: Most takes in all.
    """
    sampling = options.sampling
    lively = replace(sampling, num_beams=1)
    if sampling.top_k == 1 or sampling.temperature == 0 or sampling.num_beams > 1:
        # Without chance another seed says the same words.
        lively = replace(lively, top_k=max(_LIVELY_TOP_K, sampling.top_k), temperature=_LIVELY_TEMPERATURE)
    sampled = replace(options, sampling=lively)
    cut = _WHOLE if options.text_split == _AT_CLAUSES else _AT_CLAUSES
    steps = [
        Step("seed", sampled, takes=SEEDS),
        Step("whole" if cut == _WHOLE else "clauses", replace(options, text_split=cut)),
    ]
    if sampling.num_beams == 1:
        steps.append(Step("beams", replace(options, sampling=replace(sampling, num_beams=BEAMS))))
    if uses_words:
        steps.append(Step("no-reference-words", options, WORDLESS))
    steps += [Step(f"clip:{clip}", options, clip) for clip in clips]
    bounded: list[Step] = []
    for step in steps:
        left = most - sum(one.takes for one in bounded)
        if left <= 0:
            break
        bounded.append(replace(step, takes=min(step.takes, left)))
    return bounded


def seed_of(seed: int, how: str, take: int) -> int:
    """Return the seed of a take: of the line's seed, the step and the number of the take alone."""
    digest = hashlib.sha256(f"{seed}/{how}/{take}".encode()).digest()
    return int.from_bytes(digest[:8], "little") % (LARGEST_SEED + 1)
