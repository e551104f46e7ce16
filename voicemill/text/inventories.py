"""Tell Chinese from Japanese by the characters that one of them lacks.

A language's character set is the one that its national standard lists: what is in neither GB 2312 nor Big5 is no
Chinese character (気, 桜, kana), what is not in JIS X 0208 no Japanese one (实, 吗, 们).
"""

import functools
import re
from collections.abc import Sequence
from itertools import groupby

_KANA = re.compile("[\u3041-\u3096\u3099\u309a\u30a1-\u30fa\u30fc]+")
_HAN = re.compile("[\u3400-\u9fff\U00020000-\U0003134a]")
_CLAUSE = re.compile(r"[^。！？!?\n]*[。！？!?\n]*")
_CHINESE, _JAPANESE = ("gb2312", "big5"), ("shift_jis",)


@functools.lru_cache(maxsize=32768)
def is_in(text: str, sets: tuple[str, ...]) -> bool:
    """Return whether one of some character sets, by the names of their codecs, has all characters of a text."""
    for name in sets:
        try:
            text.encode(name)
        except UnicodeEncodeError:
            continue
        return True
    return False


def languages(text: str, guessed: Sequence[str], *, beside_latin: bool) -> list[str]:
    """Return the language of each character of a text of Chinese or Japanese.

    Args:
        text: N characters, among them marks.
        guessed: What another thinks of each, `[N]`; it stays where the characters do not tell.
        beside_latin: Whether words in Latin letters stand beside the text: between them a guess is worth little, and
            what has no kana is Chinese.

    Returns:
        zh or ja, or what was guessed, `[N]`.
    """
    clauses = [match.span() for match in _CLAUSE.finditer(text) if match[0]]
    found = [_of_clause(text[start:end]) for start, end in clauses]
    certain = {language for language in found if language in ("zh", "ja")}
    others = certain.pop() if len(certain) == 1 else "zh" if beside_latin and not certain else ""
    result: list[str] = []
    for (start, end), language in zip(clauses, found, strict=True):
        if language == "both":
            result += ["ja" if _KANA.match(character) else "zh" for character in text[start:end]]
        elif language or others:
            result += [language or others] * (end - start)
        else:
            result += guessed[start:end]
    return result


def _of_clause(clause: str) -> str:
    """zh, ja, both, or nothing where the characters do not tell."""
    han = _HAN.findall(clause)
    is_chinese = any(not is_in(character, _JAPANESE) for character in han)
    if _KANA.search(clause):
        return "both" if is_chinese else "ja"
    if is_chinese:
        return "zh"
    return "ja" if any(not is_in(character, _CHINESE) for character in han) else ""


def runs(text: str, languages: Sequence[str]) -> list[tuple[str, str]]:
    """Return a text cut where its language changes, each part with its language."""
    parts, at = [], 0
    for language, group in groupby(languages):
        length = len(list(group))
        parts.append((language, text[at : at + length]))
        at += length
    return parts
