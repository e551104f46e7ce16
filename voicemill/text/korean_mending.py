"""Put right, before g2pk2 reads, the figures and signs that it would drop or read digit by digit."""

import re
from re import Match

_DIGITS = "영일이삼사오육칠팔구"
_NATIVE = ["", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉"]
_TENS = ["", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔"]
_MONEY = {"₩": "원", "￦": "원", "$": "달러", "€": "유로", "£": "파운드", "¥": "엔", "￥": "엔"}
_UNITS = {
    "km/h": "킬로미터", "km": "킬로미터", "cm": "센티미터", "mm": "밀리미터", "m": "미터", "kg": "킬로그램",
    "mg": "밀리그램", "g": "그램", "ml": "밀리리터", "mL": "밀리리터", "L": "리터", "℃": "도", "°C": "도",
    "%": "퍼센트", "％": "퍼센트",
}  # fmt: skip
_SIGNS = {"+": " 더하기 ", "×": " 곱하기 ", "÷": " 나누기 ", "=": "는 "}
_NUMBER = r"\d+(?:\.\d+)?"


def cardinal(number: str) -> str:
    """A whole number in Sino-Korean words, 1500 -> 천오백."""
    digits = number.lstrip("0")
    if not digits:
        return "영"
    if len(digits) > 16:
        return "".join(_DIGITS[int(digit)] for digit in number)
    groups = [digits[max(0, end - 4) : end] for end in range(len(digits), 0, -4)]
    words = [_below_ten_thousand(group) for group in groups]
    said = [word + unit for word, unit in zip(words, ["", "만", "억", "조"], strict=False) if word]
    if said[-1] == "일만":  # at the head of a number it is 만 alone
        said[-1] = "만"
    return "".join(reversed(said))


def _below_ten_thousand(group: str) -> str:
    said = ""
    for digit, unit in zip(group, ["천", "백", "십", ""][-len(group) :], strict=True):
        if digit != "0":
            said += ("" if digit == "1" and unit else _DIGITS[int(digit)]) + unit
    return said


def decimal(number: str) -> str:
    """A number with or without a fraction, 3.14 -> 삼점일사."""
    whole, _, fraction = number.partition(".")
    return cardinal(whole) + ("점" + "".join(_DIGITS[int(digit)] for digit in fraction) if fraction else "")


def _native(match: Match[str]) -> str:
    number = int(match[1])
    tens, ones = divmod(number, 10)
    if number == 20:
        return f"스무 {match[2]}"
    return f"{_TENS[tens]}{_NATIVE[ones]} {match[2]}" if 0 < number < 100 else match[0]


def _day(match: Match[str]) -> str:
    year, month, day = match["year"], int(match["month"]), int(match["day"])
    return f"{year}년 {month}월 {day}일" if 1 <= month <= 12 and 1 <= day <= 31 else match[0]


def _over(match: Match[str]) -> str:
    above, below = int(match[1]), int(match[2])
    is_day = not above < below <= 10 and 1 <= above <= 12 and 1 <= below <= 31
    return f"{above}월 {below}일" if is_day else f"{cardinal(match[2])}분의 {cardinal(match[1])}"


def _clock(match: Match[str]) -> str:
    # After noon the clock of 24 hours counts in Sino-Korean words, which g2pk2 does not know.
    hour = cardinal(match[1]) if int(match[1]) > 12 else str(int(match[1]))
    return f"{hour}시" + (f" {int(match[2])}분" if int(match[2]) else "")


_RULES = [
    (re.compile(pattern), mended)
    for pattern, mended in [
        (r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])", lambda m: m[0].replace(",", "")),
        (r"(?<!\d)(?P<year>\d{4})([-/.])\s?(?P<month>\d{1,2})\2\s?(?P<day>\d{1,2})(?!\d)", _day),
        (r"(?<![\d/])(\d{1,2})/(\d{1,2})(?![\d/])", _over),
        (r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?![\d:])", _clock),
        (r"(?<![\d:])(\d{1,3}):(\d{1,3})(?![\d:])", lambda m: f"{cardinal(m[1])} 대 {cardinal(m[2])}"),
        (
            rf"([{''.join(_MONEY)}])\s?({_NUMBER})([만억조]?)",
            lambda m: decimal(m[2]) + m[3] + _MONEY[m[1]],
        ),
        (rf"(?<![\d.\-])({_NUMBER})\s?[~∼〜～-]\s?(?={_NUMBER}(?:[^\d-]|$))", lambda m: f"{decimal(m[1])}에서 "),
        (r"(?<![0-9A-Za-z])[-−](?=\d+(?:\.\d+)?\s?(?:℃|°C|도))", "영하 "),
        (r"(?<![0-9A-Za-z-])[-−](?=\d)", "마이너스 "),
        (
            rf"({_NUMBER})\s?({'|'.join(map(re.escape, sorted(_UNITS, key=len, reverse=True)))})(?![A-Za-z/²³])",
            lambda m: ("시속 " if m[2] == "km/h" else "") + decimal(m[1]) + _UNITS[m[2]],
        ),
        (
            rf"(?<=\d)\s?([{re.escape(''.join(_SIGNS))}])\s?(?=\d)",
            lambda m: _SIGNS[m[1]],
        ),
        (r"(?<![\d.])(\d{1,2})\s?(명)", _native),
        (r"(?<![\d.])([1-9]|1[0-2])\s?(시간)", _native),
        (r"(?<![\d.])\d+\.\d+(?![\d.])", lambda m: decimal(m[0])),
        # g2pk2 reads numbers in words before the counters that it knows, else digit by digit.
        (r"(?<![\d.,-])[1-9]\d{2,}(?![\d.,-]|\s?[가-힣])", lambda m: cardinal(m[0])),
    ]
]


def mend(text: str) -> str:
    """The text with what would be misread written otherwise."""
    for pattern, mended in _RULES:
        text = pattern.sub(mended, text)
    return text
