"""Polyphones in context: by rules for common words, then by the phrase dictionary, then by a small network."""

import csv
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from voicemill.text.mandarin import g2pm, words
from voicemill.text.mandarin.words import Word

_LOOK = 8  # characters on either side that a rule sees
_TITLES = (
    "先生|女士|老师|经理|小姐|总(?!是|要|会|得|在|之)|教授|医生|同学|局长|主任|律师|某|氏|太太|夫人|警官|师傅|书记|部长|市长|校长|"
    "院长|主席|将军|队长|导演|记者|博士|大夫|阿姨|叔叔|伯伯|大妈|大爷"
)
_TITLED = re.compile(_TITLES)
_INTRODUCED = re.compile("(?:姓|姓氏为|复姓)$")
_NAMED = re.compile("(?:我|他|她|你|名|名字|就|本名|原名|化名)叫做?$")
# The network was taught the tones of a dictionary; these change in speech, by the rules of `sandhi`.
_BY_SPEECH = frozenset("一不了着过们子儿的上下里来去头么啊吧呢吗")


@dataclass(frozen=True)
class _Rule:
    """How a character is read where all of its conditions hold.

    Attributes:
        reading: Pinyin with tone.
        over: Also inside a word that the phrase dictionary knows.
        tag: Part of speech of the word that the character is on its own, or None for any.
        left, right: Parts of speech of the words beside it, or None for any.
        before, after: What stands on either side, or None for anything.
    """

    reading: str
    over: bool
    tag: re.Pattern[str] | None
    left: re.Pattern[str] | None
    right: re.Pattern[str] | None
    before: re.Pattern[str] | None
    after: re.Pattern[str] | None


def table(name: str) -> list[dict[str, str]]:
    """Return the rows of `polyphones` or `surnames`, each with an example."""
    text = resources.files("voicemill.text.mandarin").joinpath(f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _compiled(pattern: str, form: str) -> re.Pattern[str] | None:
    return re.compile(form.format(pattern)) if pattern else None


@functools.cache
def _rules() -> dict[str, list[_Rule]]:
    found: dict[str, list[_Rule]] = {}
    for row in table("polyphones"):
        rule = _Rule(
            row["reading"],
            row["over"] == "yes",
            _compiled(row["tag"], "(?:{})$"),
            _compiled(row["left"], "(?:{})$"),
            _compiled(row["right"], "(?:{})$"),
            _compiled(row["before"], "(?:{})$"),
            _compiled(row["after"], "(?:{})"),
        )
        found.setdefault(row["character"], []).append(rule)
    return found


@functools.cache
def _surnames() -> dict[str, tuple[str, bool]]:
    """Surname -> its reading, and whether the character is a verb in front of a title (任教授)."""
    return {row["character"]: (row["reading"], row["verb"] == "yes") for row in table("surnames")}


def in_context(phrase: str, segmented: Sequence[Word], pinyin: Sequence[str]) -> tuple[list[str], dict[int, str]]:
    """Return the readings of a phrase.

    Args:
        phrase: N characters of a normalised text.
        segmented: Its words.
        pinyin: Its readings by dictionary, `[N]`.

    Returns:
        The readings, corrected where no phrase of the dictionary decides, `[N]`; and those that a rule decided, by
        place, which go before the phrase dictionary.
    """
    decided: dict[int, str] = {}
    asked: list[int] = []
    at = 0
    for number, word in enumerate(segmented):
        known = len(word.text) > 1 and words.phrase(word.text) is not None
        for offset, character in enumerate(word.text):
            by_rule = _by_rule(phrase, at + offset, segmented, number, offset, known)
            # The tagger takes some words for names (朴素), so that a rule goes before what it says.
            reading = _as_surname(phrase, at + offset, word, offset, by_tag=not by_rule) or by_rule
            if reading:
                decided[at + offset] = reading
            elif not known and character not in _BY_SPEECH:
                asked.append(at + offset)
        at += len(word.text)
    return g2pm.polyphones(phrase, pinyin, asked) if asked else list(pinyin), decided


def _by_rule(phrase: str, at: int, segmented: Sequence[Word], number: int, offset: int, known: bool) -> str | None:
    rules = _rules().get(phrase[at])
    if not rules:
        return None
    word = segmented[number]
    head, tail = word.text[:offset], word.text[offset + 1 :]
    before, after = phrase[max(0, at - _LOOK) : at], phrase[at + 1 : at + 1 + _LOOK]
    left = words.tag(head) if head else segmented[number - 1].tag if number else ""
    right = words.tag(tail) if tail else segmented[number + 1].tag if number + 1 < len(segmented) else ""
    own = "" if head or tail else word.tag
    for rule in rules:
        if (
            (rule.over or not known)
            and (rule.tag is None or rule.tag.match(own))
            and (rule.left is None or rule.left.match(left))
            and (rule.right is None or rule.right.match(right))
            and (rule.before is None or rule.before.search(before))
            and (rule.after is None or rule.after.match(after))
        ):
            return rule.reading
    return None


def _as_surname(phrase: str, at: int, word: Word, offset: int, *, by_tag: bool) -> str | None:
    surname = _surnames().get(phrase[at])
    if surname is None:
        return None
    reading, is_verb = surname
    before, after = phrase[max(0, at - _LOOK) : at], phrase[at + 1 : at + 1 + _LOOK]
    if _INTRODUCED.search(before):
        return reading
    if offset:
        return None
    is_name = by_tag and word.tag == "nr" and 1 < len(word.text) < 4
    titled = _TITLED.match(after) and not (is_verb and before and before[-1].isalpha())
    return reading if is_name or titled or (_NAMED.search(before) and 0 < len(after) < 4) else None
