"""When capitals are a word that is said and when they are letters that are spelled."""

import re
from re import Match

from voicemill.text.english import dictionary
from voicemill.text.english.figures import TABLES

_CAPITALS = re.compile(r"(?<![A-Za-z'])[A-Z]{2,}(?![A-Za-z])(?!'[a-z]?[A-Z])")
_LONGEST_INITIALISM = 5


def preprocess(text: str) -> str:
    """Write capitals that are words in small letters, so that they are not spelled.

    A word of the dictionary is a word, unless it is a known initialism (IT, US) that does not stand in a shout.
    """
    return _CAPITALS.sub(lambda match: _said(match, text), text)


def _said(match: Match[str], text: str) -> str:
    word = match[0]
    if word in TABLES["acronym"]:
        return TABLES["acronym"][word]
    if word in TABLES["initialism"]:
        return word.lower() if _is_shouted(match, text) else TABLES["initialism"][word]
    if dictionary.is_spelled(word.lower()):
        return word
    if dictionary.knows(word.lower()) or (
        len(word) > _LONGEST_INITIALISM and dictionary.is_pronounceable(word.lower())
    ):
        return word.capitalize()
    return word


def _is_shouted(match: Match[str], text: str) -> bool:
    """Return whether the words beside it are capitals, too, that are words."""
    before = re.search(r"([A-Za-z]+)[^A-Za-z.!?]*$", text[max(0, match.start() - 30) : match.start()])
    after = re.match(r"[^A-Za-z.!?]*([A-Za-z]+)", text[match.end() : match.end() + 30])
    near = [found[1] for found in (before, after) if found]
    return bool(near) and all(
        len(word) > 1 and word.isupper() and word not in TABLES["initialism"] and dictionary.knows(word.lower())
        for word in near
    )
