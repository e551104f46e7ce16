"""Parts of speech, for the words whose sound hangs on them.

A homograph's is mostly given away by the word in front of it, and that word's by TextBlob's lexicon of each word's
commonest part of speech, a file that ships in its package (nltk's and spaCy's taggers are downloads).
"""

import functools
from collections.abc import Sequence

from voicemill.text.english import dictionary
from voicemill.text.english.package_data import package_file

_SUBJECTS = " i you we they who "
_BEFORE_VERB = _SUBJECTS + (
    " to will would can could should shall must may might do does did don't doesn't didn't won't can't couldn't "
    "wouldn't shouldn't let let's please never always often not i'll you'll we'll they'll he'll she'll it'll "
    "i'd you'd we'd they'd "
)
_BEFORE_PARTICIPLE = (
    " have has had having be am is are was were been being i've you've we've they've he's she's it's "
    "hadn't haven't hasn't isn't wasn't aren't weren't "
)
_BEFORE_NOUN_TAGS = ("DT", "JJ", "PRP$", "IN", "CD", "POS", "WP$")
_PAST = frozenset(["yesterday", "ago", "last", "earlier", "once", "previously"])
_ENDS_SENTENCE = frozenset(".?!")


@functools.cache
def _lexicon() -> dict[str, str]:
    lines = package_file("textblob", "en/en-lexicon.txt").read_text(encoding="utf-8").splitlines()
    words = (line.split() for line in lines if line and not line.startswith(";;;"))
    return {parts[0]: parts[1] for parts in words if len(parts) == 2}


def tag(words: Sequence[str]) -> list[str]:
    """Penn Treebank tag of each token of a text: homographs by their neighbours, the rest by the lexicon."""
    tags = [_lexicon().get(word) or _lexicon().get(word.lower(), "NN") for word in words]
    for at, word in enumerate(words):
        if word.lower() in dictionary.homographs():
            tags[at] = _by_context([word.lower() for word in words], tags, at)
    return tags


def _by_context(words: list[str], tags: list[str], at: int) -> str:
    word, before = words[at], words[at - 1] if at else "."
    verb, noun = ("VBZ", "NNS") if word.endswith("s") else ("VBP", "NN")
    if f" {before} " in _BEFORE_PARTICIPLE:
        return "VBN" if word == "read" else "JJ"
    if f" {before} " in _BEFORE_VERB:
        past = word == "read" and f" {before} " in _SUBJECTS and _in_the_past(words, at)
        return "VBD" if past else verb
    if before in {"he", "she", "it"}:
        return "VBD" if word == "read" else verb
    if before in _ENDS_SENTENCE and at + 1 < len(words) and tags[at + 1] in {"DT", "PRP", "PRP$"}:
        return verb  # an order: close the door
    if at and tags[at - 1].startswith(_BEFORE_NOUN_TAGS):
        return tags[at] if tags[at].startswith(("N", "J")) else noun
    return tags[at]


def _in_the_past(words: list[str], at: int) -> bool:
    """Return whether the rest of the sentence speaks of the past."""
    for word in words[at:]:
        if word in _ENDS_SENTENCE:
            return False
        if word in _PAST:
            return True
    return False
