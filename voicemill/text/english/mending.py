"""Put right, before the reference's rules run, what they would misread.

Each rule rewrites only what the rules of `normalization` read wrongly (not what they merely read otherwise), in words
or in a form that they read well.
"""

import re
from re import Match

from voicemill.text.english import abbreviations, figures
from voicemill.text.english.figures import Rule

_DECADES = {
    "0": "hundreds", "1": "tens", "2": "twenties", "3": "thirties", "4": "forties", "5": "fifties", "6": "sixties",
    "7": "seventies", "8": "eighties", "9": "nineties",
}  # fmt: skip
_UNITS = {
    "kg": "kilograms", "g": "grams", "mg": "milligrams", "lb": "pounds", "lbs": "pounds", "oz": "ounces",
    "km": "kilometers", "cm": "centimeters", "mm": "millimeters", "ml": "milliliters", "mph": "miles per hour",
    "km/h": "kilometers per hour", "ms": "milliseconds", "kB": "kilobytes", "MB": "megabytes", "GB": "gigabytes",
    "m²": "square meters", "m2": "square meters", "km²": "square kilometers", "km2": "square kilometers",
    "m³": "cubic meters", "m3": "cubic meters", "cm²": "square centimeters", "cm³": "cubic centimeters",
    "ft²": "square feet", "mL": "milliliters", "TB": "terabytes",
    "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz",
}  # fmt: skip
_KNOWN_SUFFIXES = "st|nd|rd|th|km/h|km|m|ft|L|tbsp|tsp|h|min|s"
_SCALES = "hundred|thousand|million|billion|trillion"
_AMOUNT = r"\d(?:[\d,]*\d)?(?:\.\d+)?"
_CURRENCIES = {"€": "euros", "¥": "yen", "￥": "yuan", "₩": "won", "₹": "rupees"}


def _clock(match: Match[str]) -> str:
    hour, minute, half = match[1], match[2], match[3].lower()
    if minute in (None, "00"):
        return f"{hour} {half}.m."
    return f"{hour} {'oh ' if minute[0] == '0' else ''}{minute.lstrip('0')} {half}.m."


def _decade(match: Match[str]) -> str:
    century, decade = match[1], match[2]
    if decade == "0" and century.endswith("0"):
        return f"{int(century) // 10} thousands"
    return f"{century} {_DECADES[decade]}"


def _unit(match: Match[str]) -> str:
    name = _UNITS[match[2]]
    one = match[1] == "1" and match[2] not in {"Hz", "kHz", "MHz", "GHz"}
    return f"{match[1]} {name.replace('miles', 'mile').replace('meters per', 'meter per').rstrip('s') if one else name}"


_MARKS: list[Rule] = [
    (re.compile(pattern), mended)
    for pattern, mended in [
        ("[‘’ʼ]", "'"),
        (r"[\r\n\t\u2028\u2029]+", " "),
        ("…", "."),
        (r"(?<=\d)\s?–\s?(?=\d)", " to "),
        (r"\s*[—–]\s*|\s+--\s+|(?<=[A-Za-z]{2}) - (?=[A-Za-z]{2})", ", "),
    ]
]
_RULES: list[Rule] = [
    (re.compile(pattern), mended)
    for pattern, mended in [
        (r"(?<!\d)([1-9]|1[0-2])(?::([0-5]\d))?\s?([aApP])\.?[mM]\b\.?", _clock),
        (r"\b(\d{1,2}:[0-5]\d):([0-5]\d)\b", r"\1 and \2 seconds"),
        (r"\b(1\d|20)(\d)0'?s\b", _decade),
        (r"'(\d)0s\b", lambda m: _DECADES[m[1]]),
        (r"(?<![\d:])(\d{1,3}):(\d(?!\d)|[6-9]\d|\d{3})(?![\d:])", r"\1 to \2"),
        (r"(?<=[^\s\d])\s+-(?=\d)", " negative "),
        (rf"\$({_AMOUNT})\s+({_SCALES})\b", r"\1 \2 dollars"),
        (rf"£({_AMOUNT})\s+({_SCALES})\b", r"\1 \2 pounds"),
        (
            rf"([{''.join(_CURRENCIES)}])\s?({_AMOUNT}(?:\s+(?:{_SCALES})\b)?)",
            lambda m: f"{m[2]} {_CURRENCIES[m[1]]}",
        ),
        (rf"(?<![\d.,])(\d+(?:\.\d+)?)\s?({'|'.join(sorted(_UNITS, key=len, reverse=True))})(?![\w/])", _unit),
    ]
]
_LAST: list[Rule] = [
    (re.compile(pattern), mended)
    for pattern, mended in [
        (r"#(?=\d)", "number "),
        (r"\s*&\s*", " and "),
        (r"(?<=\w)@(?=\w)|(?<=\s)@(?=\s)", " at "),
        (rf"(\d)(?!(?:{_KNOWN_SUFFIXES})\b)(?=[A-Za-z])", r"\1 "),
        (r"([A-Za-z])(?=\d)", r"\1 "),
        ("[;；，、]|[:：](?!\\d)", ","),
    ]
]


def mend(text: str) -> str:
    """The text, still in figures, with what would be misread written otherwise."""
    for pattern, mended in [*_MARKS, *figures.RULES, *_RULES, *abbreviations.RULES, *_LAST]:
        text = pattern.sub(mended, text)
    return text
