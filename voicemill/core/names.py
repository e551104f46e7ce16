"""Names that people write: of speakers, recordings, clips. One place decides when two of them are the same.

The same letters may come as different bytes: an é as one character (NFC, as most keyboards and Linux write it) or as an
e and an accent (NFD, as macOS gives file names). They are one name here. A name that differs in case alone is found
too, where only one other could be meant.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

from voicemill.core.safe_paths import what_is_wrong

LONGEST_SPEAKER = 200
_SHOWN = 60
# Line and paragraph separators, control characters, halves of surrogate pairs.
_UNPRINTABLE = {"Cc", "Zl", "Zp", "Cs"}
# They turn the direction of what follows, so that a name is shown as another one.
_DIRECTIONS = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


def normal(name: str) -> str:
    """Return a name in the one form in which names are compared and stored (Unicode's NFC)."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """Return a name without regard to normal form and case."""
    return normal(normal(name).casefold())


def forms(name: str) -> tuple[str, ...]:
    """The forms in which a name may have been stored: NFC first, then NFD and as it is given where those differ."""
    return tuple(dict.fromkeys((normal(name), unicodedata.normalize("NFD", name), name)))


def speaker_problem(name: str) -> str:
    """Return why a text cannot be a speaker's name, as the end of a sentence; empty where it can."""
    if not name.strip():
        return "is empty; name the speaker"
    if any(unicodedata.category(sign) in _UNPRINTABLE or sign in _DIRECTIONS for sign in name):
        return "has a line break or control character in it; use letters, digits, spaces and hyphens"
    if name != name.strip():
        return "begins or ends with a space"
    if name[0] in "._" or set("/\\@|") & set(name):
        return "cannot be a speaker's name: it must not begin with . or _, or hold / \\ @ or |"
    if len(name) > LONGEST_SPEAKER:
        return f"is longer than {LONGEST_SPEAKER} characters"
    # The longest file name that is made of it is that of the registry's tombstone.
    problem = what_is_wrong(f"{name}.json")
    return f"cannot be a speaker's name: {problem}" if problem else ""


def shown(name: str) -> str:
    """Return a name for a message: quoted, control characters escaped, cut short."""
    return repr(name if len(name) <= _SHOWN else name[: _SHOWN - 1] + "…")


class Names:
    """Names among which one is looked up.

    Args:
        names: As they are stored; each is given back as it is.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(dict.fromkeys(names))
        self._by_form: list[dict[str, list[str]]] = [{}, {}, {}]
        for name in self._names:
            for by_form, form in zip(self._by_form, (name, normal(name), folded(name)), strict=True):
                by_form.setdefault(form, []).append(name)

    def find(self, name: str) -> list[str]:
        """Return the stored names that a name may mean: the same bytes before the same letters before another case.

        Returns:
            One where it is clear; several where it is ambiguous; none where there is none.
        """
        for by_form, form in zip(self._by_form, (name, normal(name), folded(name)), strict=True):
            if found := by_form.get(form):
                return found
        return []

    def alike(self, name: str) -> list[str]:
        """Return the other stored names, which differ from a name in normal form or case alone."""
        return [each for each in self._by_form[2].get(folded(name), []) if normal(each) != normal(name)]

    def sole(self, name: str) -> str | None:
        """Return the stored name that a name means, or None where there is none or more than one."""
        found = self.find(name)
        return found[0] if len(found) == 1 else None

    def hint(self, name: str) -> str:
        """For a message: which stored names are meant or near, as `; did you mean ...?`; empty where none is near."""
        near = self.find(name) or difflib.get_close_matches(name, self._names, n=1, cutoff=0.8)
        return f"; did you mean {' or '.join(map(shown, near[:3]))}?" if near else ""
