"""How often build-voice promotes a voice that is equal, and one that is worse: a simulation of the gate.

    python -m benchmarks.promotion

Two voices say the held-out English sentences. The chance that a word is wrong has, on the logit scale, a mean for the
voice, a deviation for the sentence (hard for both voices), one for the voice on the sentence, and one for the take,
which a voice that speaks by its likeliest tokens has not. The words of a line go wrong together (a beta-binomial), in
each take anew, and now and then a line runs on into babble. A line fails verification where a third of its words are
wrong, or where it runs on. Likeness has a deviation for the sentence and for each
voice on it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from voicemill.evaluation.promotion_gate import Heard, Tolerance, judge, level_of
from voicemill.evaluation.sentences import sentences
from voicemill.text.scoring import score

RATES = (0.05, 0.1, 0.2, 0.3, 0.4)
"""Word error rates of the promoted voice."""
WORSE = 0.1
LIKENESS = 0.8


@dataclass(frozen=True)
class Spread:
    """By how much lines differ.

    Attributes:
        sentence: Deviation of a sentence's difficulty, on the logit scale.
        voice: Deviation of a voice on a sentence.
        take: Deviation of a take.
        clustering: Correlation of the words of a line: 0 each for itself, 1 all or none.
        babble: Share of lines that run on.
        likeness_sentence: Deviation of the likeness of a sentence.
        likeness_voice: Of a voice on a sentence.
    """

    sentence: float = 0.9
    voice: float = 0.4
    take: float = 0.45
    clustering: float = 0.1
    babble: float = 0.02
    likeness_sentence: float = 0.02
    likeness_voice: float = 0.03


@cache
def words_of(language: str = "en") -> np.ndarray:
    """Return the number of words of each held-out sentence, in their order."""
    return np.array([score(line, "", language).words.length for line in sentences(language)])


@cache
def calibrated(rate: float, deviation: float) -> float:
    """Return the mean on the logit scale at which the mean chance is `rate` under a normal deviation."""
    points = np.random.default_rng(0).standard_normal(4_000) * deviation
    low, high = -12.0, 12.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if np.mean(1 / (1 + np.exp(-middle - points))) < rate else (low, middle)
    return (low + high) / 2


Take = Callable[[], tuple[Heard, Heard]]


def two_voices(
    rates: tuple[float, float],
    likeness: tuple[float, float],
    words: np.ndarray,
    spread: Spread,
    rng: np.random.Generator,
) -> Take:
    """Draw two voices, which say the same lines at each call.

    Args:
        rates: True error rates.
        likeness: True likeness.
        words: Words of each line.
        spread: By how much lines differ.
        rng: Where chance comes from.
    """
    count = len(words)
    hard, alike = (rng.standard_normal(count) * own for own in (spread.sentence, spread.likeness_sentence))
    deviation = float(np.linalg.norm([spread.sentence, spread.voice, spread.take]))
    logits = [calibrated(rate, deviation) + hard + rng.standard_normal(count) * spread.voice for rate in rates]
    means = [mean + alike + rng.standard_normal(count) * spread.likeness_voice for mean in likeness]
    together = 1 / spread.clustering - 1

    def speak(voice: int) -> Heard:
        mean = 1 / (1 + np.exp(-logits[voice] - rng.standard_normal(count) * spread.take))
        chance = rng.beta(mean * together + 1e-9, (1 - mean) * together + 1e-9)
        babble = (rng.random(count) < spread.babble) * rng.integers(5, 30, count)
        errors = rng.binomial(words, chance) + babble
        lines = [
            {
                "text": str(number),
                "errors": int(wrong),
                "words": int(asked),
                "similarity": float(found),
                "causes": ["words"] * bool(3 * wrong > asked or more),
            }
            for number, (wrong, asked, found, more) in enumerate(zip(errors, words, means[voice], babble, strict=True))
        ]
        failing = float(np.mean([bool(line["causes"]) for line in lines]))
        return Heard(str(voice), float(errors.sum() / words.sum()), float(np.mean(means[voice])), lines, failing)

    return lambda: (speak(0), speak(1))


Rule = Callable[[Take], bool]
"""Whether the first of two voices is promoted over the second."""


def gate(tolerance: Tolerance, most_takes: int) -> Rule:
    """Return the gate of build-voice with these margins."""

    def rule(take: Take) -> bool:
        new, old = take()
        verdict = judge("speaker", "prod", new, old, tolerance, level_of(1, most_takes))
        for number in range(2, most_takes + 1):
            if verdict.is_decided:
                break
            more_new, more_old = take()
            new, old = new.and_again(more_new), old.and_again(more_old)
            verdict = judge("speaker", "prod", new, old, tolerance, level_of(number, most_takes))
        return verdict.may_be_promoted

    return rule


def plain(tolerance: Tolerance) -> Rule:
    """Return a rule that compares the figures as they are, as build-voice did before."""

    def rule(take: Take) -> bool:
        new, old = take()
        is_understood = new.error_rate <= old.error_rate + tolerance.error_rate_rise
        return is_understood and new.similarity >= old.similarity - tolerance.similarity_drop

    return rule


def promoted(
    rule: Rule,
    lines: int,
    rate: float,
    worse: float,
    trials: int,
    *,
    less_alike: float = 0.0,
    seed: int = 0,
    spread: Spread | None = None,
) -> float:
    """Return how often a new voice is promoted.

    Args:
        rule: Decides.
        lines: How many sentences both say.
        rate: Word error rate of the promoted voice.
        worse: How much higher the new voice's is.
        trials: How often it is tried.
        less_alike: How much lower its likeness is.
        seed: The same seed gives the same answer.
        spread: By how much lines differ.
    """
    rng, words = np.random.default_rng(seed), words_of()[:lines]
    rates, likeness = (rate + worse, rate), (LIKENESS - less_alike, LIKENESS)
    return sum(rule(two_voices(rates, likeness, words, spread or Spread(), rng)) for _ in range(trials)) / trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    rules: list[tuple[str, int, Rule]] = [
        ("as before: 6 lines, figures within 0.02", 6, plain(Tolerance(0.02, 0.02, 1.0))),
        ("12 lines, margin 0.08", 12, gate(Tolerance(0.08, 0.03, 0.2), 1)),
        ("60 lines, margin 0.09", 60, gate(Tolerance(0.09, 0.03, 0.2), 1)),
        ("60 lines, margin 0.09, up to 4 takes", 60, gate(Tolerance(0.09, 0.03, 0.2), 4)),
    ]
    print(f"| promoted, of {trials} | {' | '.join(f'{rate:.0%} of words wrong' for rate in RATES)} |")
    print("| --- " * (len(RATES) + 1) + "|")
    for name, lines, rule in rules:
        for what, worse in (("equal", 0.0), (f"worse by {WORSE:.2f}", WORSE)):
            shares = [promoted(rule, lines, rate, worse, trials) for rate in RATES]
            print(f"| {name}: {what} | {' | '.join(f'{share:.1%}' for share in shares)} |", flush=True)
    steady = Spread(voice=0.6, take=0.0)
    for what, worse in (("equal", 0.0), (f"worse by {WORSE:.2f}", WORSE)):
        shares = [promoted(rules[-1][2], 60, rate, worse, trials, spread=steady) for rate in RATES]
        print(f"| the same, likeliest tokens: {what} | {' | '.join(f'{share:.1%}' for share in shares)} |", flush=True)
    for drop in (0.02, 0.05):
        share = promoted(rules[-1][2], 60, 0.1, 0.0, trials, less_alike=drop)
        print(f"\nthe last rule, as well understood at 10 % and less alike by {drop:.2f}: {share:.1%}")


if __name__ == "__main__":
    main()
