"""Korean: g2pk2's pronunciation rules over mecab-ko's words, then one phone a letter of the alphabet.

Compound vowels are spelled by their parts, as the public weights learned them.
"""

import functools
import re
import string

from voicemill.text import punctuation, symbols
from voicemill.text.korean_preprocessing import preprocess
from voicemill.text.korean_rules import rules
from voicemill.text.spoken import Spoken

__all__ = ["normalize", "phonemize", "preprocess"]

_LETTER_NAMES = (
    "에이 비 시 디 이 에프 지 에이치 아이 제이 케이 엘 엠 엔 오 피 큐 아르 에스 티 유 브이 더블유 엑스 와이 제트"
)
_LETTERS = dict(zip(string.ascii_lowercase, _LETTER_NAMES.split(), strict=True))
_VOWELS = str.maketrans(
    {
        "ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ",
        "ㅑ": "ㅣㅏ", "ㅒ": "ㅣㅐ", "ㅕ": "ㅣㅓ", "ㅖ": "ㅣㅔ", "ㅛ": "ㅣㅗ", "ㅠ": "ㅣㅜ",
    }
)  # fmt: skip
_SPACE, _PAUSE = "空", "停"
# Letters of old Korean, which neither the rules nor the symbol table know.
_NOT_MODERN = re.compile("[\u1113-\u1160\u1176-\u11a7\u11c3-\u11ff\ua960-\ua97f\ud7b0-\ud7ff\u3164-\u318e]")


def normalize(text: str) -> str:
    """Return the text itself: numbers and letters are read where their neighbours are known, in `phonemize`."""
    return text


def phonemize(text: str) -> Spoken:
    """Return the phones of a text; whatever has none is a pause."""
    if not text:
        return Spoken([])
    spelled = "".join(_LETTERS.get(character.lower(), character) for character in _NOT_MODERN.sub(_PAUSE, text))
    letters = _alphabet(rules()(spelled))
    # g2pk2 forgets that an object particle's ㄹ hardens into ㄴ the ㄹ of the next word.
    letters = re.sub("([ㅇㄹ]ㅡㄹ) ㄹ", r"\1 ㄴ", letters)
    letters = re.sub(r"([ㄱ-ㅣ])$", r"\1.", letters)
    return Spoken([_phone(letter) for letter in letters])


def _alphabet(text: str) -> str:
    return "".join(map(_letters, text))


@functools.lru_cache(maxsize=16384)
def _letters(character: str) -> str:
    from jamo import h2j, j2hcj

    return j2hcj(h2j(character)).translate(_VOWELS)


@functools.lru_cache(maxsize=1024)
def _phone(letter: str) -> str:
    letter = _SPACE if letter == " " else punctuation.JAPANESE_AND_KOREAN.get(letter, letter)
    return letter if symbols.knows(letter, "v2") else _PAUSE
