"""Dates, telephone numbers, amounts, spans and fractions that the reference's rules misread, put otherwise."""

import re
from collections.abc import Callable
from re import Match

Rule = tuple[re.Pattern[str], str | Callable[[Match[str]], str]]

_MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
]  # fmt: skip
_MONTH = "|".join(_MONTHS) + r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
_SCALES = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion", "tn": "trillion"}
_UNITS = {"$": "dollars", "£": "pounds", "€": "euros", "¥": "yen", "￥": "yuan", "₩": "won", "₹": "rupees"}
_FRACTIONS = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8", "⅜": "3/8"}
_NUMBER = r"\d+(?:\.\d+)?%?"


def ordinal(day: str | int) -> str:
    """A number as 1st, 2nd ..."""
    number = int(day)
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _month(name: str) -> str:
    return next(month for month in _MONTHS if month.startswith(name[:3]))


def _date(year: str, month: str, day: str, written: str) -> str:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return written
    return f"{_MONTHS[int(month) - 1]} {ordinal(day)}, {year}"


def _year_last(match: Match[str]) -> str:
    first, _, second, year = match.groups()
    # Americans put the month first; where that cannot be, it was not an American.
    month, day = (second, first) if int(first) > 12 else (first, second)
    return _date(year, month, day, match[0])


def _digits(match: Match[str]) -> str:
    return ", ".join(" ".join(part) for part in re.findall(r"\d+", match[0]))


def _thousands(match: Match[str]) -> str:
    """Between 1001 and 2999 a number is read as a year is, but not where it is an amount."""
    import inflect

    number = int(match["number"].replace(",", ""))
    words = str(inflect.engine().number_to_words(number, andword="")).replace(",", "")  # type: ignore[arg-type]
    if not match["sign"]:
        return words
    unit, cents = _UNITS[match["sign"]], match["cents"]
    small = {"$": "cents", "£": "pence"}.get(match["sign"])
    return f"{words} {unit}" + (f" and {int(cents[1:])} {small}" if cents and small and int(cents[1:]) else "")


def _scaled(match: Match[str]) -> str:
    return f"{match[2]} {_SCALES[match[3].lower()]} {_UNITS[match[1]]}"


def _minutes(match: Match[str]) -> str:
    hour = int(match[1])
    return f"{hour - 12 if hour > 12 else hour} oh {match[2]} {'a' if hour < 12 else 'p'}.m."


RULES: list[Rule] = [
    (re.compile(pattern), mended)
    for pattern, mended in [
        (rf" ?([{''.join(_FRACTIONS)}])", lambda m: (" " if m.start() else "") + _FRACTIONS[m[1]]),
        (r"(?<![\d/.-])(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?![\d/-])", lambda m: _date(m[1], m[3], m[4], m[0])),
        (r"(?<![\d/.-])(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?![\d/-])", _year_last),
        (rf"\b({_MONTH})\s+(\d{{1,2}})(?![\d:/.%]\d|\d|st|nd|rd|th)", lambda m: f"{_month(m[1])} {ordinal(m[2])}"),
        (rf"\b(\d{{1,2}})\s+({_MONTH})(?![a-z])", lambda m: f"the {ordinal(m[1])} of {_month(m[2])}"),
        (r"(?<!\d)([1-9]|1[0-9]|2[0-3]):0([1-9])(?![\d:])(?!\s?[aApP]\.?[mM])", _minutes),
        (r"(?<![\w.])\+\d[\d ()-]{6,}\d|\(\d{3}\)\s?\d{3}-\d{4}|(?<![\d-])(?:1-)?\d{3}-\d{3}-\d{4}\b", _digits),
        (r"(?<![\d-])\d{3}-\d{4}(?![\d-])", _digits),
        (r"([$£€¥￥₩₹])\s?(\d+(?:\.\d+)?)\s?([kK]|[mM]n?|[bB]n?|[tT]n)\b", _scaled),
        (r"(?<![\d.,])(?:(?P<sign>[$£€])\s?)?(?P<number>[12],\d{3})(?P<cents>\.\d\d)?(?![\d.,]*\d)", _thousands),
        (r"(?P<sign>[$£€])\s?(?P<number>[12]\d{3})(?P<cents>\.\d\d)?(?![\d.,]*\d)", _thousands),
        (r"\b(\d+)\s+1/2\b", r"\1 and a half"),
        (r"\b(\d+)\s+(\d/\d)\b", r"\1 and \2"),
        (r"\b(24)/(7)\b|\b(9)/(11)\b|\b(50)/(50)\b", lambda m: " ".join(filter(None, m.groups()))),
        (r"(\d)'(\d{1,2})(?:\"|''|″)?(?!\d)", r"\1 foot \2"),
        (rf"(?<![\w.,:/-])({_NUMBER})-({_NUMBER})(?![\w,:/-]|\.\d)", r"\1 to \2"),
        (r"(?<=\d)\s*([+×÷=])\s*(?=\d)", r" \1 "),
        (r"(?<![\w.+])\+\s?(?=\d)", "plus "),
        (r"±\s?(?=\d)", "plus or minus "),
        (r"[~≈]\s?(?=\d)", "about "),
        (r"≤\s?(?=\d)", "at most "),
        (r"≥\s?(?=\d)", "at least "),
        (r"<\s?(?=\d)", "less than "),
        (r">\s?(?=\d)", "more than "),
        (r"(?<=\d)\s?°(?!\s?[CF])", " degrees"),
    ]
]
