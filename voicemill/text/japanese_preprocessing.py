"""Put right, before Open JTalk reads, the figures and signs that it would drop or misread.

The rules are in `japanese_figures.csv`, currencies and eras in `japanese_tables.csv`; words that Open JTalk misreads by
their neighbours in `japanese_words.csv`.
"""

import functools
import re
import unicodedata

from voicemill.text.rewriting import Rule, alternatives, read_rules, read_tables, rewrite

_TABLES = read_tables("voicemill.text", "japanese_tables.csv")
_NAMES = ("ゼロ", "イチ", "ニー", "サン", "ヨン", "ゴー", "ロク", "ナナ", "ハチ", "キュー")
_DIGITS = "〇一二三四五六七八九"
_ZERO = "ゼロ"
_MYRIADS = ("", "万", "億", "兆", "京")
_PATTERNS = {
    "NUMBER": r"\d+(?:\.\d+)?",
    "MONTH": r"(?:0?[1-9]|1[0-2])",
    "DAY": r"(?:0?[1-9]|[12]\d|3[01])",
    "HOUR": r"(?:0?\d|1[0-2])",
    "NUMERAL": "〇一二三四五六七八九十百千万億",
    "DIGIT": "〇一二三四五六七八九",
    "HIRAGANA": "\u3041-\u3096",
    "CURRENCY": "".join(_TABLES["currency"]),
    "CURRENCY_CODE": f"(?:{alternatives(_TABLES['code'])})",
    # What is counted: a dash between two numbers in front of it is a span.
    "COUNTER": (
        r"\s?(?:[人個年月日時分秒本枚回歳台匹冊階度円%％点件名位倍度泊軒杯足頭羽話章巻号番世代週周画口着通社校店行列段割組"
        r"箇つ]|か月|ヶ月|カ月|平方|立方|[kcm]?m(?![A-Za-z])|[km]?g(?![A-Za-z])|キロ|メートル|センチ|ミリ|グラム|リットル|"
        r"トン|ドル|ユーロ|ページ|パーセント|ポイント|歩|丁目|番地)"
    ),
}


def _compatible(sign: str) -> str:
    return unicodedata.normalize("NFKC", sign).strip("()")


def _spelled(written: str) -> str:
    """Return digits by their names, as telephone numbers are said."""
    return "".join(_NAMES[int(sign)] if sign.isdigit() else "テン" if sign == "." else "" for sign in written)


def _spelled_words(words: str) -> str:
    return "".join(_NAMES[_DIGITS.index(word)] for word in words)


def _telephone(number: str) -> str:
    return "の".join(map(_spelled, re.findall(r"\d+", number)))


def _digit_words(digits: str) -> str:
    return "".join(_DIGITS[int(digit)] if digit != "0" else _ZERO for digit in digits)


def _figures(words: str) -> str:
    """Return a number below ten thousand in figures, 十五 -> 15; digits in a row one by one."""
    if not re.search("[十百千]", words):
        return "".join(str(_DIGITS.index(word)) for word in words)
    total, digit = 0, 0
    for word in words:
        if word in _DIGITS:
            digit = _DIGITS.index(word)
        else:
            total += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[word]
            digit = 0
    return str(total + digit)


def _named(number: str) -> str:
    """Return a large number in words, with the 一 before 千 that speakers put there in front of 万, 億 and 兆."""
    if number.startswith("0"):
        return _spelled(number)
    groups = [number[max(0, end - 4) : end] for end in range(len(number), 0, -4)]
    words = [_thousands(group, bool(at)) + unit for at, (group, unit) in enumerate(zip(groups, _MYRIADS, strict=False))]
    return "".join(word for group, word in reversed(list(zip(groups, words, strict=False))) if int(group))


def _thousands(group: str, is_before_unit: bool) -> str:
    said = ""
    for digit, unit in zip(group, "千百十\0"[-len(group) :], strict=True):
        if digit != "0":
            one = digit == "1" and unit != "\0" and not (unit == "千" and is_before_unit)
            said += ("" if one else _DIGITS[int(digit)]) + unit.strip("\0")
    return said


def _over(written: str) -> str:
    """3/15 as a day, 1/3 as a fraction."""
    above, below = (int(part) for part in written.split("/"))
    is_day = " " not in written and not above < below <= 10 and 1 <= above <= 12 and 1 <= below <= 31
    return f"{above}月{below}日" if is_day else f"{below}分の{above}"


def _plain(number: str) -> str:
    return str(int(number))


_READERS = {
    "compatible": _compatible,
    "currency": lambda sign: {**_TABLES["currency"], **_TABLES["code"]}[sign],
    "days": lambda day: f"{int(day)}日",
    "digit_words": _digit_words,
    "era": _TABLES["era"].__getitem__,
    "figures": _figures,
    "minutes": lambda minute: f"{int(minute)}分" if int(minute) else "",
    "months": lambda month: f"{int(month)}月",
    "named": _named,
    "over": _over,
    "plain": _plain,
    "spelled": _spelled,
    "spelled_words": _spelled_words,
    "telephone": _telephone,
    "ungrouped": lambda number: number.replace(",", ""),
    "weekday": _TABLES["weekday"].__getitem__,
    "weekdays": lambda days: "・".join(_TABLES["weekday"][day] for day in days.split("・")),
}


# Figures with Latin letters that are Japanese, where no English stands beside them.
OWN_FIGURES = re.compile(
    rf"(?<![A-Za-z])(?<![A-Za-z][ .,])(?:{_PATTERNS['CURRENCY_CODE']}\s?\d[\d,]*(?:\.\d+)?"
    r"|[MTSHR]\.\d{1,2}(?!\d)|[MTSHR]\d{1,2}(?=年)"
    r"|\d{1,2}(?::\d\d)?\s?[AaPp]\.?[Mm](?![A-Za-z])|\d{4}(?=[A-Z]{2,}[^A-Za-z0-9 -]))"
    r"(?! [A-Za-z])"
)


@functools.cache
def rules() -> list[Rule]:
    """Return the rules of Japanese, in the order in which they run."""
    return [
        rule
        for file in ("japanese_words.csv", "japanese_figures.csv")
        for rule in read_rules("voicemill.text", file, _PATTERNS, _READERS)
    ]


def preprocess(text: str) -> str:
    """Return the text with what would be misread written otherwise."""
    return rewrite(text, rules())
