"""Punctuation of all scripts as the few marks that the symbol table has."""

import re

from voicemill.text.symbols import PUNCTUATION

MARKS = re.escape("".join(PUNCTUATION))
"""The marks of the symbol table, to stand inside a character class."""

JAPANESE_AND_KOREAN = dict.fromkeys("：；，·、", ",") | {"。": ".", "！": "!", "？": "?", "\n": ".", "...": "…"}
CHINESE = JAPANESE_AND_KOREAN | {"$": ".", "/": ",", "—": "-", "~": "…", "～": "…"}
CANTONESE = (
    JAPANESE_AND_KOREAN | {"$": "."} | dict.fromkeys('“”"‘’（）()《》【】[]「」', "'") | dict.fromkeys("—～~", "-")
)


def replace(text: str, table: dict[str, str]) -> str:
    """Return the text with each key of the table replaced."""
    return re.sub("|".join(map(re.escape, table)), lambda match: table[match[0]], text)


def first_of_run(text: str) -> str:
    """Of each run of marks only the first: repeated marks let the reference audio leak into the speech."""
    return re.sub(f"([{MARKS}])[{MARKS}]+", r"\1", text)
