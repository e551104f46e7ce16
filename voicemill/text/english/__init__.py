"""English: numbers written out, CMUdict, homographs by part of speech, unknown words by parts or letter by letter."""

import re
from collections.abc import Sequence

from voicemill.text import symbols
from voicemill.text.english import dictionary, homographs
from voicemill.text.english.normalization import normalize
from voicemill.text.english.preprocessing import preprocess
from voicemill.text.spoken import Spoken

__all__ = ["join_endings", "normalize", "phonemize", "preprocess", "tokens"]

# Words keep apostrophes and hyphens, as does anything that looks like a host name; marks stand alone.
_TOKEN = re.compile(
    r"[a-z]+(?:[.\-][a-z]+){0,126}\.[a-z]{2,13}\b|[a-z][a-z'\-]+[a-z]|[a-z]+|\.(?:\s*\.)+|\S", re.IGNORECASE
)
_NOT_SPOKEN = frozenset(["<pad>", "<s>", "</s>", "UW"])


def join_endings(parts: Sequence[tuple[str, Sequence[str] | None]]) -> list[tuple[str, Sequence[str] | None]]:
    """Give a word with phones of its own the genitive's ending that stands behind it, and take hyphens from its sides.

    Args:
        parts: Texts, each with its phones or None.
    """
    joined: list[tuple[str, Sequence[str] | None]] = []
    for text, phones in parts:
        if phones is not None and joined and joined[-1][1] is None:
            joined[-1] = (re.sub(r"(?<=[A-Za-z])-$", " ", joined[-1][0]), None)
        elif phones is None and joined and (word := joined[-1][1]):
            ending = re.match("['’]s(?![A-Za-z])", text)
            if ending:
                joined[-1] = (joined[-1][0] + ending[0], [*word, *dictionary.genitive(word)])
            text = re.sub("^-(?=[A-Za-z])", " ", text[ending.end() if ending else 0 :])
        if text:
            joined.append((text, phones))
    return joined


def tokens(text: str) -> list[str]:
    """Return words and marks of a normalised text."""
    return _TOKEN.findall(text)


def phonemize(text: str, tags: Sequence[str] | None = None, as_reference: bool = False) -> Spoken:
    """Return the phones of a normalised text.

    Args:
        text: What `normalize` gave.
        tags: Penn Treebank tag of each of `tokens(text)`; found by a tagger unless given.
        as_reference: Tell apart only the homographs that the reference does.
    """
    words = tokens(text)
    if tags is None:
        tags = _tags(words)
    said: list[str] = []
    for at, (word, tag) in enumerate(zip(words, tags, strict=True)):
        by_context = None if as_reference else homographs.phones(words, at)
        said += by_context or dictionary.pronounce(word, tag, as_reference)
    spelled = ["-" if phone == "'" else "UNK" if phone == "<unk>" else phone for phone in said]
    return Spoken([phone for phone in spelled if phone not in _NOT_SPOKEN and symbols.knows(phone, "v2")])


def _tags(words: list[str]) -> list[str]:
    """Return the parts of speech, looked for only where a word's sound hangs on them."""
    if not any(word.lower() in dictionary.homographs() for word in words):
        return [""] * len(words)
    from voicemill.text.english.tagging import tag

    return tag(words)
