"""Characters of a text that nobody will hear."""

import functools
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voicemill.text import japanese, symbols
from voicemill.text.spoken import Segment

Speak = Callable[[str, str], Segment]
"""Text and language -> what is said."""

_SILENT = frozenset([*symbols.PUNCTUATION, *symbols.PAUSES, symbols.UNKNOWN, symbols.PAD, "空", "停"])
_PAUSES = "~～〜^"
_SPOKEN_SIGNS = "#%&@*/\\§"
UNKNOWN_SIGN = "\ufffd"
_TOGETHER, _CONTEXT = 24, 12


@dataclass(frozen=True)
class Unpronounced:
    """A character that is not heard, and where it stands in the text."""

    character: str
    position: int

    def __str__(self) -> str:
        return f"{self.character!r} (U+{ord(self.character):04X}) at {self.position}"


def wants_sound(character: str) -> bool:
    """Whether a reader would say a character: letters, digits and signs, but no punctuation, spaces or accents."""
    category = unicodedata.category(character)
    if character in _PAUSES:
        return False
    return category[0] in "LNS" or category in {"Co", "Cn", "Cs"} or character in _SPOKEN_SIGNS


def unpronounced(text: str, segments: Sequence[Segment], speak: Speak) -> list[Unpronounced]:
    """Return the characters of a text that leave no sound; punctuation, spaces and accents are not meant to.

    Args:
        text: The whole text.
        segments: Its segments, whose texts are the text less what segmentation dropped.
        speak: Says a text of one language.
    """
    heard = [flag for segment in segments for flag in _heard(segment, speak)]
    spoken = "".join(segment.text for segment in segments)
    silent, at = [], 0
    for position, character in enumerate(text):
        is_spoken = at < len(spoken) and spoken[at] == character
        if wants_sound(character) and not (is_spoken and heard[at]):
            silent.append(Unpronounced(character, position))
        at += is_spoken
    return silent


def unsaid(text: str, pieces: Sequence[tuple[str, Sequence[Unpronounced]]]) -> list[Unpronounced]:
    """Return the characters of a text that are not heard where only some pieces of it are spoken.

    Args:
        text: The whole text.
        pieces: Those that are spoken, in order, each with what is not heard of it; marks may have been added to them.
    """
    said: set[int] = set()
    at = 0
    for piece, silent in pieces:
        places = {sign.position for sign in silent}
        for position, character in enumerate(piece):
            found = text.find(character, at) if wants_sound(character) else -1
            if found >= 0:
                at = found + 1
                said |= set() if position in places else {found}
    return [
        Unpronounced(character, at) for at, character in enumerate(text) if wants_sound(character) and at not in said
    ]


def _heard(segment: Segment, speak: Speak) -> Sequence[bool]:
    """Return whether each character of a segment has a sound, alone or in its place (only of those that want one)."""
    if segment.heard is not None:
        return segment.heard
    text = segment.text
    if not _has_sound(segment):
        return [False] * len(text)
    lost = _letters_lost(segment)
    doubtful = [
        at
        for at, character in enumerate(text)
        if wants_sound(character) and (character.lower() in lost or not _sounds_alone(character, segment, speak))
    ]
    silent: set[int] = set()
    sounds = functools.cache(lambda part: _sounds(speak(part, segment.language)))
    for near in _neighbours(doubtful):
        if not _matters(segment, near, sounds):
            silent.update(near)
        elif len(near) > 1:
            silent.update(at for at in near if not _matters(segment, [at], sounds))
    return [at not in silent for at in range(len(text))]


def _letters_lost(segment: Segment) -> set[str]:
    """Latin letters of which fewer are in what is said than in the text: read as a unit, say, or dropped."""
    if segment.language == "en":
        return set()
    written, said = Counter(segment.text.lower()), Counter(segment.norm_text.lower())
    return {letter for letter, count in written.items() if "a" <= letter <= "z" and said[letter] < count}


def _sounds_alone(character: str, segment: Segment, speak: Speak) -> bool:
    # Kana that lengthen or double another have no sound alone.
    if segment.language == "ja" and japanese.is_readable(character):
        return True
    return _has_sound(speak(character, segment.language))


def _neighbours(places: Sequence[int]) -> list[list[int]]:
    """Return the places in groups that are looked at together."""
    groups: list[list[int]] = []
    for at in places:
        if groups and at - groups[-1][0] < _TOGETHER:
            groups[-1].append(at)
        else:
            groups.append([at])
    return groups


def _matters(segment: Segment, places: Sequence[int], sounds: Callable[[str], list[str]]) -> bool:
    """Return whether the text sounds otherwise with signs that nobody knows in these places.

    Only the text around them is looked at, so that a long text costs no more a character than a short one.
    """
    start, end = max(0, places[0] - _CONTEXT), places[-1] + 1 + _CONTEXT
    around = segment.text[start:end]
    with_unknown = list(around)
    for at in places:
        with_unknown[at - start] = UNKNOWN_SIGN
    as_it_is = _sounds(segment) if around == segment.text else sounds(around)
    return sounds("".join(with_unknown)) != as_it_is


def _has_sound(segment: Segment) -> bool:
    return any(phone not in _SILENT for phone in segment.phones)


def _sounds(segment: Segment) -> list[str]:
    return [phone for phone in segment.phones if phone not in _SILENT]
