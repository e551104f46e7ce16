"""Mandarin words, their parts of speech and their pinyin, from jieba's and pypinyin's dictionaries."""

import functools
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Readings where pypinyin's phrase data and Xiandai Hanyu Cidian part.
_CORRECTIONS = {
    "朝鲜": ["chao2", "xian3"],
    "幸免于难": ["xing4", "mian3", "yu2", "nan4"],
    "圈养": ["juan4", "yang3"],
    "标识": ["biao1", "zhi4"],
    "撒切尔": ["sa4", "qie4", "er3"],
    "挑剔": ["tiao1", "ti4"],
    "唉": ["ai4"],
    "牵强附合": ["qian1", "qiang3", "fu4", "he2"],
    "解铃还需系铃人": ["jie3", "ling2", "hai2", "xu1", "ji4", "ling2", "ren2"],
    "手里": ["shou2", "li3"],
}


@dataclass
class Word:
    """A word of a sentence and jieba's part of speech."""

    text: str
    tag: str


@functools.cache
def _jieba() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba asks for pkg_resources in passing, and does without
        import jieba
        import jieba.posseg

    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    return jieba


def segment(text: str) -> list[Word]:
    """Return the words of a sentence."""
    return [Word(*pair) for pair in _jieba().posseg.lcut(text)]


def tag(word: str) -> str:
    """Return the part of speech of a word by dictionary, or x."""
    return _jieba().posseg.dt.word_tag_tab.get(word, "x")


@functools.lru_cache(maxsize=65536)
def halves(word: str) -> tuple[str, str]:
    """Return a word as its shortest dictionary part and the rest, in their order."""
    part = min(_jieba().cut_for_search(word), key=len)
    return (part, word[len(part) :]) if word.startswith(part) else (word[: -len(part)], part)


@functools.cache
def _pypinyin() -> Callable[..., list[str]]:
    from pypinyin import lazy_pinyin

    return lazy_pinyin


def pinyin(text: str) -> list[str]:
    """Return one item a character: its pinyin with a tone number (5 for none), or itself where it has none."""
    from pypinyin import Style

    return _pypinyin()(text, style=Style.TONE3, neutral_tone_with_five=True, errors=list)


@functools.lru_cache(maxsize=65536)
def syllables(word: str) -> tuple[tuple[str, str], ...]:
    """Strict initials and finals (with tone) of a word read on its own, one pair a character.

    A character without pinyin stands as itself in both places.
    """
    from pypinyin import Style

    read = functools.partial(_pypinyin(), word, neutral_tone_with_five=True, errors=list)
    return tuple(zip(read(style=Style.INITIALS), read(style=Style.FINALS_TONE3), strict=True))


def phrase(word: str) -> list[str] | None:
    """Return the reading of a word that the phrase dictionary knows, None for others."""
    from pypinyin.constants import PHRASES_DICT

    if word in _CORRECTIONS:
        return list(_CORRECTIONS[word])
    return pinyin(word) if word in PHRASES_DICT else None


def correction(character: str) -> str | None:
    """Return a single character's reading where pypinyin's is wrong."""
    return _CORRECTIONS[character][0] if character in _CORRECTIONS else None
