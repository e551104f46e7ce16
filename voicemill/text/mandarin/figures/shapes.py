"""The shapes of figures, in the order in which they are tried: the first one that fits reads the figure."""

import re
from collections.abc import Callable
from re import Match

from voicemill.text.mandarin.figures import amounts, dates, signs, tables
from voicemill.text.mandarin.figures.numbers import Place

Reader = Callable[[Match[str], Place], str | None]
"""What is said for a match, or None if it is not such a figure after all."""

_DASH = "[-—~至到]"
_UNIT = rf"(?:\s?(?:%|‰|{tables.unit_pattern()}))"
_OPERATORS = "|".join(map(re.escape, sorted(tables.signs("operator"), key=len, reverse=True)))
_ANY = "|".join(map(re.escape, tables.signs("any")))
_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2}))?"
_NUMERALS = "\u2460-\u249b\u24ea-\u24ff\u2776-\u2793\u3220-\u3229\u3280-\u3289"
_SIGN = "([-+±]?)"
SHAPES: list[tuple[str, re.Pattern[str], Reader]] = [
    (name, re.compile(pattern), reader)
    for name, pattern, reader in [
        # the order is the documentation: what is written most exactly comes first
        ("mobile telephone", r"(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?!\d)", dates.telephone),
        ("telephone", r"(?:\(0\d{2,3}\)\s?|0\d{2,3}[- ]?)\d{7,8}(?!\d)|[48]00-?\d{3}-?\d{4}(?!\d)", dates.telephone),
        (
            "telephone abroad",
            r"\+\d{1,3}(?:[ -]\d{1,4}){1,4}(?!\d)|\d{3,4}-(?:\d{7,8}|\d{4}-\d{4})(?!\d)",
            dates.telephone,
        ),
        ("date", r"(\d{4}|\d{2})([-/.·])(\d{1,2})\2(\d{1,2})(?![\d/-]|\.\d)", dates.full_date),
        ("date, year last", r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?!\d)", dates.date_year_last),
        ("version, address", r"\d+(?:\.\d+){2,}", dates.dotted),
        ("year and month", r"(\d{4})([-/.])(\d{1,2})(?![\d/-]|\.\d)", dates.year_month),
        ("times", rf"{_CLOCK}\s?({_DASH})\s?{_CLOCK}(?![\d:])", dates.times),
        ("time of half a day", r"(1[0-2]|0?\d):(\d{2})(?::(\d{2}))?\s?([aApP]\.?[mM]\b\.?)", dates.time),
        ("time", rf"{_CLOCK}()(?![\d:])", dates.time),
        ("month and day", r"(\d{1,2})([-/])(\d{1,2})(?![\d/]|[-.]\d)", dates.month_day),
        ("day of an event", r"(\d{1,2})([.·])(\d{1,2})(?![\d.·])", dates.event),
        ("month, day without unit", r"(\d{1,2})月(\d{1,2})(?![\d.日号月个多:/-])", dates.month_dates),
        (
            "money",
            rf"({tables.currency_pattern()})\s?(-?)({signs.NUMBER})([kKmMbB]n?(?![A-Za-z])|[万亿])?"
            rf"(?:[-~]({signs.NUMBER})([kKmMbB]n?(?![A-Za-z])|[万亿])?)?",
            amounts.money,
        ),
        (
            "money, code behind",
            rf"({signs.NUMBER})\s?([万亿])?\s?({tables.code_pattern()})(?![A-Za-z\d])",
            amounts.money_behind,
        ),
        (
            "year of an era",
            r"(\d{1,4})年(?:(\d{1,2})月)?\s?([aA]\.?[dD]\b\.?|[bB]\.?[cC]\b\.?)"
            r"|(\d{3,4})([aA]\.?[dD]\b\.?|[bB]\.?[cC]\b\.?)",
            dates.era,
        ),
        ("ratio", r"\d+(?:\.\d+)?(?:\s?:\s?\d+(?:\.\d+)?)+", amounts.ratio),
        ("fraction", r"(-?)(?:(\d+)[ 又])?(\d+)\s?/\s?(\d+)", amounts.fraction),
        ("game", r"(\d{1,2})-(\d{1,2})(?!\d)", amounts.game),
        ("span", rf"(-?)({signs.NUMBER})({_UNIT})?\s?({_DASH})\s?(-?)({signs.NUMBER})({_UNIT})?", amounts.span),
        ("measure", rf"{_SIGN}({signs.NUMBER})({_UNIT})", amounts.measure),
        ("degrees", rf"-({signs.NUMBER})(度|摄氏度)", amounts.degrees_in_words),
        ("ordinal", r"(?:[Nn]o|NO)\.\s?(\d+)", amounts.ordinal),
        ("power", f"[{''.join(signs.POWERS)}]+", signs.power),
        ("operator", rf"\s?(?:{_OPERATORS})(?=\s?[-+±√(.\dA-Za-z])", signs.operator),
        ("to", r"\s?[-—~]\s?", signs.to),
        ("number", rf"{_SIGN}({signs.NUMBER})(\+(?!\d)|w(?![A-Za-z]))?", amounts.plain_number),
        ("plus behind a letter", r"\+{1,2}", signs.letter_plus),
        ("per", "/", signs.per),
        ("number of a house", r"(?<=\d)#(?=[楼栋幢机线座])", lambda match, place: "号"),
        ("between", "|".join(map(re.escape, tables.signs("between"))), signs.between),
        ("sign", _ANY, signs.anywhere),
        ("numeral", rf"[^\W\d_一-龥A-Za-z]|[{_NUMERALS}]", amounts.numeral),
    ]
]
