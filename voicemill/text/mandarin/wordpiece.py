"""BERT's tokenizer (Devlin et al. 2019, arXiv 1810.04805), uncased: text to the ids of its words' pieces.

As in `tokenizers`: text is cleaned, every Chinese character and punctuation mark is a word, accents and capitals are
dropped, and a word becomes the longest pieces that the vocabulary has. Restated, because that library is 100 MB with
what it brings, and all that is needed of it for Mandarin is here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicemill.core import untrusted
from voicemill.core.errors import InputError

_BEGIN, _END, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
_INSIDE = "##"
_LONGEST_WORD = 100
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip
_HINT = "fetch the model again"


@dataclass(frozen=True)
class Encoded:
    """A text's tokens.

    Attributes:
        ids: Of all tokens, [CLS] first and [SEP] last, `[N + 2]`.
        spans: First character of each of the text's own tokens and the one after its last, `[N]`.
    """

    ids: list[int]
    spans: list[tuple[int, int]]


class WordPiece:
    """Splits text into the tokens of a vocabulary.

    Args:
        vocabulary: Token -> id, [CLS], [SEP] and [UNK] among them.
    """

    def __init__(self, vocabulary: dict[str, int]):
        self._ids = vocabulary

    @classmethod
    def read(cls, file: Path) -> WordPiece:
        """Read the tokenizer.json of a BERT model.

        Raises:
            InputError: It is damaged, or another model's.
        """
        model = untrusted.member(untrusted.read_json(file, dict, hint=_HINT), "model", dict, file, hint=_HINT)
        ids = untrusted.member(model, "vocab", dict[str, int], file, hint=_HINT)
        missing = [token for token in (_BEGIN, _END, _UNKNOWN) if token not in ids]
        if missing:
            raise InputError(f"{file} is not a BERT tokenizer: its vocabulary lacks {missing[0]}; {_HINT}")
        return cls(ids)

    def encode(self, text: str) -> Encoded:
        """Return the tokens of a text."""
        pieces = [piece for word in _words(text) for piece in self._pieces(word)]
        ids = [self._ids[_BEGIN], *(number for number, _ in pieces), self._ids[_END]]
        return Encoded(ids, [span for _, span in pieces])

    def _pieces(self, word: list[tuple[str, int]]) -> list[tuple[int, tuple[int, int]]]:
        """Return ids and spans of a word, the whole of which is unknown where a piece of it is."""
        letters, places = zip(*word, strict=True)
        found, start = [], 0
        while start < len(letters) <= _LONGEST_WORD:
            prefix = _INSIDE if start else ""
            end = next(
                (end for end in range(len(letters), start, -1) if prefix + "".join(letters[start:end]) in self._ids), 0
            )
            if not end:
                break
            number = self._ids[prefix + "".join(letters[start:end])]
            found.append((number, (places[start], places[end - 1] + 1)))
            start = end
        return found if start == len(letters) else [(self._ids[_UNKNOWN], (places[0], places[-1] + 1))]


def _words(text: str) -> Iterator[list[tuple[str, int]]]:
    """Words as letters with their places in the text."""
    word: list[tuple[str, int]] = []
    for place, character in enumerate(text):
        for letter in _normalized(character):
            alone = _is_ideograph(character) or _is_punctuation(letter)
            if word and (alone or letter == " "):
                yield word
                word = []
            if alone:
                yield [(letter, place)]
            elif letter != " ":
                word.append((letter, place))
    if word:
        yield word


def _normalized(character: str) -> str:
    """Return what is left of a character, in lower case without accents; a space for all white space."""
    is_control = unicodedata.category(character) in ("Cc", "Cf", "Co") and character not in "\t\n\r"
    if is_control or character == "\ufffd":
        return ""
    if character.isspace():
        return " "
    parts = unicodedata.normalize("NFD", character)
    return "".join(part.lower() for part in parts if unicodedata.category(part) != "Mn")


def _is_ideograph(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _IDEOGRAPHS)


def _is_punctuation(letter: str) -> bool:
    return (letter.isascii() and letter.isprintable() and not letter.isalnum() and letter != " ") or (
        unicodedata.category(letter).startswith("P")
    )
