"""Parts of speech by TextBlob's lexicon and context rules, which ship inside the package.

They are right often enough to tell a verb from a noun, and need no download (nltk's and spaCy's models do).
"""

import functools
from collections.abc import Callable, Sequence


@functools.cache
def _tagger() -> Callable[..., list[list[str]]]:
    from textblob.en import tag

    return tag


def tag(words: Sequence[str]) -> list[str]:
    """Penn Treebank tag of each word of a sentence."""
    return [tagged[1] for tagged in _tagger()(" ".join(words), tokenize=False)]
