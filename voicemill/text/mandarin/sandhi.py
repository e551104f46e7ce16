"""Tones in connected Mandarin speech: 一 and 不, third tones in a row, neutral tones, and 儿 that joins its syllable.

The rules follow PaddleSpeech's ToneSandhi as GPT-SoVITS uses it (the public weights were trained on its output). Finals
end with their tone digit; a rule only ever changes that digit.
"""

import functools
from importlib import resources

from voicemill.text.mandarin.words import Word, halves, phrase, syllables

_PUNCTUATION = "：，；。？！“”‘’':,;.?!"
_PARTICLES = "吧呢哈啊呐噻嘛吖嗨哦哒额滴哩哟喽啰耶喔诶的地得"
_DIGITS = "零一二三四五六七八九"
_NUMERALS = _DIGITS + "十百千万亿"
_ERHUA_ALWAYS = "小院儿 胡同儿 范儿 老汉儿 撒欢儿 寻老礼儿 妥妥儿 媳妇儿"
_ERHUA_NEVER = (
    "虐儿 为儿 护儿 瞒儿 救儿 替儿 有儿 一儿 我儿 俺儿 妻儿 拐儿 聋儿 乞儿 患儿 幼儿 孤儿 婴儿 婴幼儿 连体儿 脑瘫儿 "
    "流浪儿 体弱儿 混血儿 蜜雪儿 舫儿 祖儿 美儿 应采儿 可儿 侄儿 孙儿 侄孙儿 女儿 男儿 红孩儿 花儿 虫儿 马儿 鸟儿 "
    "猪儿 猫儿 狗儿 少儿"
)


@functools.cache
def _words(name: str) -> frozenset[str]:
    text = resources.files("voicemill.text.mandarin").joinpath(name).read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


def _is_neutral(word: str) -> bool:
    neutral = _words("neutral_tone.txt")
    return word in neutral or word[-2:] in neutral


def _keeps_tone(word: str) -> bool:
    return word in _words("full_tone.txt")


def _retone(finals: list[str], index: int, tone: str) -> None:
    finals[index] = finals[index][:-1] + tone


def join_words(words: list[Word]) -> list[Word]:
    """Join words whose tones depend on one another, so that the rules see them together."""
    words = _join_bu(words)
    words = _join_yi(words)
    words = _join_same(words)
    words = _join_third_tones(words, whole=True)
    words = _join_third_tones(words, whole=False)
    return _join_er(words)


def _join_bu(words: list[Word]) -> list[Word]:
    joined: list[Word] = []
    pending = ""
    for word in words:
        text = pending + word.text
        pending = "不" if text == "不" else ""
        if not pending:
            joined.append(Word(text, word.tag))
    return [*joined, Word("不", "d")] if pending else joined


def _join_yi(words: list[Word]) -> list[Word]:
    verbs: list[Word] = []
    at = 0
    while at < len(words):
        word = words[at]
        after = words[at + 1] if at + 1 < len(words) else None
        last = verbs[-1] if verbs else None
        if word.text == "一" and last and after and last.text == after.text and last.tag == after.tag == "v":
            verbs[-1] = Word(f"{last.text}一{after.text}", "v")
            at += 2
        else:
            verbs.append(Word(word.text, word.tag))
            at += 1
    joined: list[Word] = []
    for word in verbs:
        if joined and joined[-1].text == "一":
            joined[-1].text += word.text
        else:
            joined.append(word)
    return joined


def _join_same(words: list[Word]) -> list[Word]:
    joined: list[Word] = []
    for word in words:
        if joined and word.text == joined[-1].text:
            joined[-1].text += word.text
        else:
            joined.append(Word(word.text, word.tag))
    return joined


def _join_third_tones(words: list[Word], whole: bool) -> list[Word]:
    """Join short neighbours in the third tone: all their syllables (`whole`), or those where they meet."""
    tones = [[final[-1:] for _, final in syllables(word.text)] for word in words]
    joined: list[Word] = []
    just_joined = False
    for at, word in enumerate(words):
        before = words[at - 1] if at else None
        met = tones[at - 1] + tones[at] if whole else [*tones[at - 1][-1:], *tones[at][:1]]
        third = before is not None and all(tone == "3" for tone in met) and not just_joined
        twice = before is not None and len(before.text) == 2 and before.text[0] == before.text[1]
        just_joined = bool(third and before and not twice and len(before.text) + len(word.text) <= 3)
        if just_joined:
            joined[-1].text += word.text
        else:
            joined.append(Word(word.text, word.tag))
    return joined


def _join_er(words: list[Word]) -> list[Word]:
    joined: list[Word] = []
    for word in words:
        if joined and word.text == "儿":
            joined[-1].text += "儿"
        else:
            joined.append(Word(word.text, word.tag))
    return joined


def change_tones(word: Word, finals: list[str], before: str = "", *, as_reference: bool = False) -> list[str]:
    """Return the finals of a word, one a character, with the tones of connected speech.

    Args:
        word: A word of N characters.
        finals: Their finals with tones, `[N]`.
        before: The character in front of the word, or nothing.
        as_reference: Make 地 and 的 neutral in 基地 and 目的 too, and change 一 in 二十一.
    """
    finals = list(finals)
    _bu(word.text, finals)
    if as_reference:
        _yi(word.text, finals)
    else:
        _yi_in_context(before, word.text, finals)
    _neutral(word, finals, as_reference)
    _third(word.text, finals)
    return finals


def _bu(word: str, finals: list[str]) -> None:
    if len(word) == 3 and word[1] == "不":
        _retone(finals, 1, "5")
        return
    for at in range(len(word) - 1):
        if word[at] == "不" and finals[at + 1].endswith("4"):
            _retone(finals, at, "2")


def _yi(word: str, finals: list[str]) -> None:
    if "一" not in word or all(character.isnumeric() for character in word):
        return
    if len(word) == 3 and word[1] == "一" and word[0] == word[2]:
        _retone(finals, 1, "5")
    elif word.startswith("第一"):
        _retone(finals, 1, "1")
    else:
        for at in range(len(word) - 1):
            if word[at] == "一" and finals[at + 1].endswith("4"):
                _retone(finals, at, "2")
            elif word[at] == "一" and word[at + 1] not in _PUNCTUATION:
                _retone(finals, at, "4")


def _yi_in_context(before: str, word: str, finals: list[str]) -> None:
    """一 keeps its tone where it ends a number (二十一) or is a digit among digits (一九四九)."""
    kept: list[int] = []
    for at, character in enumerate(word):
        previous, following = word[at - 1] if at else before, word[at + 1 : at + 2]
        ends_number = (previous != "" and previous in _NUMERALS) or (at == 0 and before == "第")
        if character == "一" and (ends_number or (following != "" and following in _DIGITS)):
            kept.append(at)
    tones = [finals[at] for at in kept]
    _yi(word, finals)
    for at, final in zip(kept, tones, strict=True):
        finals[at] = final


def _is_particle(word: str, final: str) -> bool:
    """Return whether the last character of a word is a particle, which 地 in 基地 and 吧 in 酒吧 are not."""
    return (word[-1] not in "的地得" or final[:-1] == "e") and (len(word) == 1 or phrase(word) is None)


def _neutral(word: Word, finals: list[str], as_reference: bool) -> None:
    text, tag = word.text, word.tag
    for at in range(1, len(text)):
        if text[at] == text[at - 1] and tag[0] in "nva" and not _keeps_tone(text):
            _retone(finals, at, "5")
    ge = text.find("个")
    longer = len(text) > 1
    if not as_reference and _keeps_tone(text):
        return
    if (
        (text[-1] in _PARTICLES and (as_reference or _is_particle(text, finals[-1])))
        or (text in {"了", "着", "过"} and tag in {"ul", "uz", "ug"})
        or (longer and text[-1] in "们子" and tag in {"r", "n"} and not _keeps_tone(text))
        or (longer and text[-1] in "上下里" and tag in {"s", "l", "f"})
        or (longer and text[-1] in "来去" and text[-2] in "上下进出回过起开")
    ):
        _retone(finals, -1, "5")
    elif text == "个" or (ge >= 1 and (text[ge - 1].isnumeric() or text[ge - 1] in "几有两半多各整每做是")):
        _retone(finals, ge, "5")
    elif _is_neutral(text):
        _retone(finals, -1, "5")
    first, second = halves(text)
    if _is_neutral(first):
        _retone(finals, len(first) - 1, "5")
    if _is_neutral(second):
        _retone(finals, -1, "5")


def _third(word: str, finals: list[str]) -> None:
    third = [final.endswith("3") for final in finals]
    if len(word) == 2 and all(third):
        _retone(finals, 0, "2")
    elif len(word) == 3:
        head = len(halves(word)[0])
        if all(third):
            for at in range(2) if head == 2 else [1] if head == 1 else []:
                _retone(finals, at, "2")
        elif head == 2 and all(third[:2]):
            _retone(finals, 0, "2")
        elif head == 1 and all(third[1:]):
            _retone(finals, 1, "2")
        elif head < 3 and not all(third[head:]) and third[head] and third[head - 1]:
            _retone(finals, head - 1, "2")
    elif len(word) == 4:
        for at in (0, 2):
            if all(third[at : at + 2]):
                _retone(finals, at, "2")


def join_er(word: Word, finals: list[str]) -> list[str]:
    """Give a final 儿 the tone of the syllable that it colours, in words where it does."""
    finals = list(finals)
    if word.text[-1] == "儿" and finals[-1] == "er1":
        finals[-1] = "er2"
    never = _ERHUA_NEVER.split()
    bare = word.text not in _ERHUA_ALWAYS.split() and (word.text in never or word.tag in {"a", "j", "nr"})
    if bare or len(finals) != len(word.text) or len(finals) < 2:
        return finals
    if word.text[-1] == "儿" and finals[-1] in {"er2", "er5"} and word.text[-2:] not in never:
        finals[-1] = "er" + finals[-2][-1]
    return finals
