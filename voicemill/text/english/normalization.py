"""Write out in English words what a speaker says for numbers, times, money and units.

The readings follow GPT-SoVITS's en_normalization, because the public weights learned from texts that were read so.
"""

import functools
import re
import unicodedata
from collections.abc import Callable
from re import Match
from typing import Any

from voicemill.text.punctuation import MARKS

_UNITS = {
    "m": ("meter", "meters"),
    "km": ("kilometer", "kilometers"),
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "ft": ("feet", "feet"),
    "L": ("liter", "liters"),
    "tbsp": ("tablespoon", "tablespoons"),
    "tsp": ("teaspoon", "teaspoons"),
    "h": ("hour", "hours"),
    "min": ("minute", "minutes"),
    "s": ("second", "seconds"),
    "°C": ("degree celsius", "degrees celsius"),
    "°F": ("degree fahrenheit", "degrees fahrenheit"),
}
_MONEY = {"£": ("pound", "pounds", "penny", "pence"), "$": ("dollar", "dollars", "cent", "cents")}
_OPERATORS = {"+": "plus", "-": "minus", "×": "times", "÷": "divided by", "=": "Equals"}
_OPERAND = r"(?:-?[0-9]+(?:\.[0-9]+)?[{0}]*|\.[0-9]+[{0}]*|[A-Za-z][{0}]*)".format("⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ")
_LONGEST_NUMBER = 36  # digits that have a name; a longer number is read digit by digit


@functools.cache
def _inflect() -> Any:
    import inflect

    return inflect.engine()


def _words(number: int | str, **options: Any) -> str:
    return str(_inflect().number_to_words(number, **options))


def _listed(match: Match[str]) -> str:
    """`1. ` at the head of an item is read as an ordinal."""
    return f"{_inflect().ordinal(match[1])}, " if len(match[1]) <= _LONGEST_NUMBER else match[0]


def _time(match: Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    half = "a.m." if hour < 12 else "p.m."
    spoken = _words(hour - 12 if hour > 12 else hour)
    past = _words(minute) if minute else "o'clock"
    return f"{spoken} {past} {half}"


def _measure(match: Match[str]) -> str:
    number, fraction, unit = match.groups()
    return f"{number} {_UNITS[unit][0 if not fraction and int(number) == 1 else 1]}"


def _money(match: Match[str]) -> str:
    unit, amount = ("£", match[0].strip("£")) if "£" in match[0] else ("$", match[0].strip("$"))
    one, many, small, smalls = _MONEY[unit]
    whole, *fractions = re.sub(r"[^\d.]", "", amount).split(".")
    if len(fractions) > 1:
        return f"{amount} {many}"
    units, parts = int(whole or 0), int("".join(fractions).ljust(2, "0"))
    said = [f"{units} {one if units == 1 else many}"] if units else []
    said += [f"{parts} {small if parts == 1 else smalls}"] if parts else []
    return " and ".join(said) or f"zero {many}"


def _decimal(match: Match[str]) -> str:
    whole, fraction = match[0].split(".")
    return f"{whole} point {' '.join(fraction)}"


def _fraction(match: Match[str]) -> str:
    over, under = (int(number) for number in match[0].split("/"))
    if under == 1:
        return _words(over)
    if under == 2:
        return f"{_words(over)} {'half' if over == 1 else 'halves'}"
    return f"{_words(over)} {_inflect().ordinal(_words(under))}{'s' if over > 1 else ''}"


def _number(match: Match[str]) -> str:
    if len(match[0]) > _LONGEST_NUMBER:
        return " ".join(_words(digit) for digit in match[0])
    number = int(match[0])
    if not 1000 < number < 3000 or number == 2000:
        return _words(number, andword="")
    if 2000 < number < 2010:
        return f"two thousand {_words(number % 100)}"
    if number % 100 == 0:
        return f"{_words(number // 100)} hundred"
    return _words(number, andword="", zero="oh", group=2).replace(", ", " ")


_AMOUNT = r"[0-9.,]*[0-9]"
_RULES: list[tuple[re.Pattern[str], Callable[[Match[str]], str]]] = [
    (re.compile(pattern), spoken)
    for pattern, spoken in [
        (r"\b([0-9]+)\. ", _listed),
        (
            rf"({_OPERAND})\s+([{re.escape(''.join(_OPERATORS))}])\s+(?={_OPERAND})",
            lambda m: f"{m[1]} {_OPERATORS[m[2]]} ",
        ),
        (r"(?:^|\s+)-([0-9]+)", lambda m: f"negative {m[1]}"),
        (r"[0-9][0-9,]+[0-9]", lambda m: m[0].replace(",", "")),
        (r"\b([01]?[0-9]|2[0-3]):([0-5][0-9])\b", _time),
        (rf"\b([0-9]+(\.[0-9]+)?)({'|'.join(_UNITS)})\b", _measure),
        (rf"£{_AMOUNT}", _money),
        (rf"{_AMOUNT}£", _money),
        (rf"\${_AMOUNT}", _money),
        (rf"{_AMOUNT}\$", _money),
        (r"[0-9]+\.\s*[0-9]+", _decimal),
        (r"[0-9]{1,36}/[0-9]{1,36}", _fraction),
        (r"[0-9]{1,36}(?:st|nd|rd|th)", lambda m: _words(m[0])),
        (r"[0-9]+", _number),
    ]
]


def normalize(text: str) -> str:
    """English letters, spaces and the marks ' . , ? ! - only; capitals inside a word stand apart, to be spelled."""
    for mark, plain in {"。": ".", "！": "!", "？": "?"}.items():
        text = text.replace(mark, plain)
    for pattern, spoken in _RULES:
        text = pattern.sub(spoken, text)
    decomposed = unicodedata.normalize("NFD", text)
    text = "".join(character for character in decomposed if unicodedata.category(character) != "Mn")
    text = re.sub(r"[^ A-Za-z'.,?!\-]", "", text.replace("%", " percent"))
    text = re.sub(r"(?i)i\.e\.", "that is", text)
    text = re.sub(r"(?i)e\.g\.", "for example", text)
    text = re.sub(r"(?<!^)(?<!\s)([A-Z])", r" \1", text)
    return re.sub(rf"([{MARKS}\s])[{MARKS}]+", r"\1", text)
