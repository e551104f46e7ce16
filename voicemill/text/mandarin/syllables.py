"""Mandarin syllables as the two phones of the public weights: an onset and a final with its tone.

The weights write syllables as the opencpop singing corpus does: zh, z and their kin have vowels of their own (`ir`,
`i0`), a syllable without an initial takes its first vowel as onset (`AA`, `EE`, `OO`, `y`, `w`), `yan` and `ye` have
the open e.
"""

from voicemill.text import symbols

_CONTRACTED = {"uei": "ui", "iou": "iu", "uen": "un"}
_AFTER_Y = {"an": "En", "e": "E"}
_ONSETS = {"a": "AA", "e": "EE", "o": "OO"}


def phones(initial: str, final: str, tone: str) -> list[str] | None:
    """Return the phones of a syllable.

    Args:
        initial: Strict pinyin initial, empty for syllables such as `an`, `yi`, `wu`, `yu`.
        final: Strict pinyin final without tone, v for ü (`uei`, `van`).
        tone: 1 to 5.

    Returns:
        Two phones, or None for a syllable that the table cannot spell.
    """
    onset, rime = _with_initial(initial, final) if initial else _without_initial(final)
    spelled = [onset, rime + tone]
    return spelled if all(symbols.knows(phone, "v1") for phone in spelled) else None


def _with_initial(initial: str, final: str) -> tuple[str, str]:
    if final == "i" and initial in {"zh", "ch", "sh", "r"}:
        return initial, "ir"
    if final == "i" and initial in {"z", "c", "s"}:
        return initial, "i0"
    return initial, _CONTRACTED.get(final, final)


def _without_initial(final: str) -> tuple[str, str]:
    if final in {"i", "in", "ing"} or final.startswith("v"):
        return "y", final
    if final.startswith("i"):
        return "y", _AFTER_Y.get(final[1:], final[1:])
    if final.startswith("u"):
        return "w", final[1:] or "u"
    return _ONSETS.get(final[:1], ""), final
