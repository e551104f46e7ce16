"""Characters of a text that nobody will hear."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voicemill.text import japanese, symbols
from voicemill.text.spoken import Segment

Speak = Callable[[str, str], Segment]
"""Text and language -> what is said."""

_SILENT = frozenset([*symbols.PUNCTUATION, *symbols.PAUSES, symbols.UNKNOWN, symbols.PAD, "空", "停"])
_PAUSES = "~～〜^"
_SPOKEN_SIGNS = "#%&@*/\\§"


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
    """Characters of a text that leave no sound; punctuation, spaces and accents are not meant to.

    Args:
        text: The whole text.
        segments: Its segments, whose texts are the text less what segmentation dropped.
        speak: Says a text of one language.
    """
    places = [(segment, at) for segment in segments for at in range(len(segment.text))]
    silent, next_place = [], 0
    for position, character in enumerate(text):
        place = places[next_place] if next_place < len(places) else None
        if place and place[0].text[place[1]] == character:
            next_place += 1
        else:
            place = None
        if wants_sound(character) and not (place and _is_heard(*place, speak)):
            silent.append(Unpronounced(character, position))
    return silent


def unsaid(text: str, pieces: Sequence[tuple[str, Sequence[Unpronounced]]]) -> list[Unpronounced]:
    """Characters of a text that are not heard where only some pieces of it are spoken.

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


def _is_heard(segment: Segment, at: int, speak: Speak) -> bool:
    """Whether a character of a segment has a sound, alone or in its place."""
    character = segment.text[at]
    if not _has_sound(segment):
        return False
    # Kana that lengthen or double another have no sound alone.
    if segment.language == "ja" and japanese.is_readable(character):
        return True
    if _has_sound(speak(character, segment.language)):
        return True
    # In Korean what is no Hangul parts the words beside it, which changes their sound.
    without = segment.text[:at] + (" " if segment.language == "ko" else "") + segment.text[at + 1 :]
    return _sounds(speak(without, segment.language)) != _sounds(segment)


def _has_sound(segment: Segment) -> bool:
    return any(phone not in _SILENT for phone in segment.phones)


def _sounds(segment: Segment) -> list[str]:
    return [phone for phone in segment.phones if phone not in _SILENT]
