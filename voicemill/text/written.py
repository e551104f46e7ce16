"""A text written out in Chinese characters, with the way back from each character to what the user wrote."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from voicemill.text import symbols
from voicemill.text.mandarin.figures import Figure
from voicemill.text.spoken import Spoken

_SILENT = frozenset([*symbols.PUNCTUATION, *symbols.PAUSES, symbols.UNKNOWN, symbols.PAD])
_DASHES = "-–—−"


@dataclass
class Written:
    """Characters to be read.

    Attributes:
        text: N characters.
        sources: The place in the user's text that each of them came from, `[N]`.
        figures: The figures that were written out.
    """

    text: str
    sources: list[int]
    figures: Sequence[Figure] = field(default_factory=list)

    @classmethod
    def of(cls, text: str, figures: Sequence[Figure]) -> "Written":
        """Return the text with its figures written out; a dash between spaces becomes a comma."""
        parts: list[str] = []
        sources: list[int] = []
        at = 0
        for figure in (*figures, Figure(len(text), len(text), "")):
            between = re.sub(f"(?<= )[{_DASHES}](?= )", ",", text[at : figure.start])
            parts += [between, figure.spoken]
            sources += [*range(at, figure.start), *[figure.start] * len(figure.spoken)]
            at = figure.end
        return cls("".join(parts), sources, figures)

    def cleaned(self, marks: Mapping[str, str], kept: re.Pattern[str], *, first_of_run: bool) -> "Written":
        """Return what the symbol table can say: marks replaced, everything else dropped.

        Args:
            marks: Mark -> mark of the symbol table.
            kept: The characters that stay.
            first_of_run: Keep only the first of several marks in a row.
        """
        text: list[str] = []
        sources: list[int] = []
        for match in re.finditer(f"{'|'.join(map(re.escape, marks))}|.", self.text, re.DOTALL):
            for character in marks.get(match[0], match[0]):
                is_mark = character in symbols.PUNCTUATION
                repeated = first_of_run and is_mark and text and text[-1] in symbols.PUNCTUATION
                if kept.match(character) and not repeated:
                    text.append(character)
                    sources.append(self.sources[match.start()])
        return Written("".join(text), sources, self.figures)

    def heard(self, spoken: Spoken, length: int) -> list[bool]:
        """Return whether each character of the user's text, of this length, leaves a sound."""
        heard, at = [False] * length, 0
        for source, count in zip(self.sources, spoken.word2ph or [], strict=True):
            heard[source] |= any(phone not in _SILENT for phone in spoken.phones[at : at + count])
            at += count
        for figure in self.figures:
            heard[figure.start : figure.end] = [heard[figure.start]] * (figure.end - figure.start)
            for place in figure.silent:
                heard[place] = False
        return heard
