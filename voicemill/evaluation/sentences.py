"""Sentences that no training data contains, for hearing what a voice has learnt: everyday, short, rich in sounds.

Sixty a language, in held_out/, ordered by scripts/order_sentences.py so that any beginning of the list has the
language's sounds in about their proportions.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources

from voicemill.text.scoring import plain

SAMPLE = 6
"""How many sentences a voice says where nobody said what it is to say."""


@cache
def sentences(language: str) -> tuple[str, ...]:
    """Return all sentences of a language.

    Args:
        language: `en`, `zh`, `ja`, `ko` or `yue`.
    """
    file = resources.files("voicemill.evaluation").joinpath("held_out", f"{language}.txt")
    return tuple(file.read_text(encoding="utf-8").splitlines())


def held_out_lines(language: str, count: int, training_texts: Iterable[str] = ()) -> list[str]:
    """Return the sentences of a language that were not trained on, from the beginning of the list.

    Args:
        language: `en`, `zh`, `ja`, `ko` or `yue`.
        count: How many at most.
        training_texts: Texts of the training data; a sentence whose words are among them is left out.
    """
    trained_on = {plain(text, language) for text in training_texts}
    return [line for line in sentences(language) if plain(line, language) not in trained_on][:count]
