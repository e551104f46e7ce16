"""What every language's front-end gives back."""

from dataclasses import dataclass, field


@dataclass
class Spoken:
    """Phones of a normalised text.

    Attributes:
        phones: Phones, not all of them in the symbol table yet.
        word2ph: How many phones each character of the normalised text has, or None in languages without that link.
        unreadable: Characters of the normalised text that a dictionary had no reading for.
    """

    phones: list[str]
    word2ph: list[int] | None = None
    unreadable: list[str] = field(default_factory=list)
