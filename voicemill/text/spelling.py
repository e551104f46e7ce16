"""A text's letters as the dictionaries have them: whole, of usual width, Latin ones without accents."""

import functools
import re
import unicodedata

# What stands for one letter: one with marks behind it, or the parts of Korean syllables.
_CLUSTER = re.compile("[\u1100-\u11ff]+|[\uff66-\uff9d][\uff9e\uff9f]?|.[\u0300-\u036f\u3099\u309a]*", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_OTHER_WIDTH = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9d]")
_WITHOUT_ACCENT = {
    "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o", "ß": "ss", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d",
    "Ð": "D", "ð": "d", "Þ": "Th", "þ": "th", "ı": "i",
    "𠮟": "叱",
}  # fmt: skip


def encodable(text: str) -> str:
    """Return the text with each lone surrogate, which no dictionary can be asked for, as a sign that has no sound."""
    return _SURROGATE.sub("\ufffd", text)


def plain(text: str) -> tuple[str, list[int]]:
    """Return the text in plain letters.

    Returns:
        The text, and where each of its characters stood.
    """
    if text.isascii():
        return text, list(range(len(text)))
    letters: list[str] = []
    places: list[int] = []
    for cluster in _CLUSTER.finditer(text):
        plain = _plain(cluster[0])
        letters.append(plain)
        same = plain == cluster[0]
        places += [cluster.start() + (offset if same else 0) for offset in range(len(plain))]
    return "".join(letters), places


@functools.lru_cache(maxsize=65536)
def _plain(cluster: str) -> str:
    if _OTHER_WIDTH.match(cluster):
        return unicodedata.normalize("NFKC", cluster)
    base = unicodedata.normalize("NFD", cluster)[0]
    if base.isascii() and base.isalpha():
        return base
    return _WITHOUT_ACCENT.get(cluster[0]) or unicodedata.normalize("NFC", cluster)
