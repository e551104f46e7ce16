"""What a language's front-end gives back, and what is made of it."""

from dataclasses import dataclass


@dataclass
class Spoken:
    """Phones of a normalised text.

    Attributes:
        phones: Phones, not all of them in the symbol table yet; `UNK` for a character that no dictionary can read.
        word2ph: How many phones each character of the normalised text has, or None in languages without that link.
    """

    phones: list[str]
    word2ph: list[int] | None = None

    def append(self, other: "Spoken") -> None:
        """Say another text behind this one."""
        self.phones += other.phones
        if self.word2ph is None or other.word2ph is None:
            self.word2ph = None
        else:
            self.word2ph += other.word2ph


@dataclass
class Segment:
    """A stretch of one language.

    Attributes:
        language: zh, yue, en, ja or ko.
        text: As it stood in the input.
        norm_text: What is said, written out.
        phones: Phones, all of them in the version's table.
        word2ph: How many phones each character of `norm_text` has (zh and yue), None for other languages.
        heard: Whether each character of `text` leaves a sound (zh and yue); None where that is not known.
    """

    language: str
    text: str
    norm_text: str
    phones: list[str]
    word2ph: list[int] | None
    heard: list[bool] | None = None
