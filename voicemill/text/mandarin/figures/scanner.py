"""Find the figures of a text and write them out."""

import re
import unicodedata
from dataclasses import dataclass

from voicemill.text.mandarin.figures import tables
from voicemill.text.mandarin.figures.numbers import Dialect, Place
from voicemill.text.mandarin.figures.shapes import SHAPES
from voicemill.text.mandarin.normalization import simplify

# One character for another, so that places stay: a pattern has to know one form of a sign only.
_FOLDED = {
    **{0xFF01 + offset: 0x21 + offset for offset in range(94) if chr(0x21 + offset) in "%$+-/><=&*~.()#:"},
    **dict.fromkeys(map(ord, "−–‐‑‒﹣"), "-"),
    **dict.fromkeys(map(ord, "〜∼"), "~"),
    **dict.fromkeys(map(ord, "―"), "—"),
    **dict.fromkeys(map(ord, "∶︰"), ":"),
    **dict.fromkeys(map(ord, "￥"), "¥"),
    **dict.fromkeys(map(ord, "￡"), "£"),
    **dict.fromkeys(map(ord, "￦"), "₩"),
    **dict.fromkeys(map(ord, "⁄∕"), "/"),
    **dict.fromkeys(map(ord, "✕✖⨯"), "×"),
    **dict.fromkeys(map(ord, "・•‧"), "·"),
    **dict.fromkeys(map(ord, "µ"), "μ"),
    ord("﹪"): "%",
}
_OTHER_DIGITS = re.compile(r"[^\W\D0-9]")
_LETTERS = "A-Za-z一-龥㐀-䶿ぁ-ヿ가-힣"
_START = re.compile(
    rf"(?:{tables.currency_pattern()})\s?-?\.?\d|[Nn][Oo]\.\s?\d|[^{_LETTERS}\s，。！？；：、,!?;:]|\s(?=[-+×÷=*<>~—])"
)


@dataclass(frozen=True)
class Figure:
    """A stretch of a text that is said otherwise than written.

    Attributes:
        start: Its first character.
        end: Behind its last character.
        spoken: What is said for it, in Chinese characters.
        silent: Places inside that leave no sound (the plus of +86).
    """

    start: int
    end: int
    spoken: str
    silent: tuple[int, ...] = ()

    def moved(self, by: int) -> "Figure":
        """Return the same figure, so many characters further on."""
        return Figure(self.start + by, self.end + by, self.spoken, tuple(place + by for place in self.silent))


def fold(text: str) -> str:
    """Return the text with one form of each sign and digit, in as many characters."""
    if text.isascii():
        return text
    return _OTHER_DIGITS.sub(lambda match: str(unicodedata.digit(match[0])), text.translate(_FOLDED))


def scan(text: str, dialect: Dialect) -> list[Figure]:
    """Return the figures of a text, in order; no two overlap."""
    folded, figures, at = fold(text), [], 0
    if not text.isascii() and _START.search(folded):
        folded = simplify(folded)  # the tables have simplified words
    while match := _START.search(folded, at):
        figure = _at(folded, match.start(), dialect)
        if figure:
            figures.append(figure)
        at = figure.end if figure else match.start() + 1
    return figures


def _at(folded: str, start: int, dialect: Dialect) -> Figure | None:
    for name, pattern, read in SHAPES:
        match = pattern.match(folded, start)
        if match is None or match.end() == start:
            continue
        spoken = read(match, Place(folded, match.start(), match.end(), dialect))
        if spoken is not None:
            plus = match[0].find("+") if "telephone" in name else -1
            return Figure(start, match.end(), spoken, (start + plus,) if plus >= 0 else ())
    return None
