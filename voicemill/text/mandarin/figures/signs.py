"""Readers of signs, and of dashes between figures that were read already."""

import re
from re import Match

from voicemill.text.mandarin.figures import tables
from voicemill.text.mandarin.figures.numbers import Place
from voicemill.text.mandarin.numbers import digits

NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d|,\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
POWERS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ⁻⁺", [*"0123456789xyn", "负", "正"], strict=True))


def power(match: Match[str], place: Place) -> str:
    written = "".join(map(POWERS.__getitem__, match[0]))
    name = {"2": "平方", "3": "立方"}.get(written)
    link = "" if re.search("[A-Za-z]$", place.before) else "的"
    return link + name if name else f"的{''.join(c if not c.isdigit() else digits(c) for c in written)}次方"


def operator(match: Match[str], place: Place) -> str | None:
    sign = match[0].strip()
    before = re.search(r"[\dA-Za-z)%°²³\]]\s?$", place.before)
    after = re.match(r"\s?[-+±√(]?\s?[.\dA-Za-z]", place.after)
    if sign in {"-", "*", "<", ">"}:  # between letters they are not words
        number = re.search(r"[\d)²³]\s?$", place.before), re.match(r"\s?[-.(√]?\d", place.after)
        if not all(number) if sign == "-" else not any(number):
            return None
    return tables.signs("operator")[sign] if before and after else None


def letter_plus(match: Match[str], place: Place) -> str | None:
    """Return a+, C++, 100万+."""
    if re.search(r"\d\s?[万亿wW]$", place.before):
        return "多"
    if re.search("(?<![A-Za-z])[A-Za-z]$", place.before) and not re.match(r"[\dA-Za-z]", place.after):
        return "加" * len(match[0])
    return None


def to(match: Match[str], place: Place) -> str | None:
    """Return the dash between two dates, amounts or times in characters: 3月1日-5日."""
    if re.search(r"[年月日号时分秒点楼层级岁期周季元块米度人次倍天%‰]\s?$", place.before) and re.match(
        rf"\s?(?:第|{NUMBER}\s?[年月日号时分秒点楼层级岁期周季元块米度人次倍天%‰万亿])", place.after
    ):
        return "到"
    return None


def per(match: Match[str], place: Place) -> str | None:
    return "每" if place.follows_directly("slash as 每") and re.match("[一-龥]", place.after) else None


def between(match: Match[str], place: Place) -> str | None:
    between = re.search(r"[一-龥]\s?$", place.before) and re.match(r"\s?[一-龥]", place.after)
    return tables.signs("between")[match[0]] if between else None


def anywhere(match: Match[str], place: Place) -> str | None:
    return tables.signs("any")[match[0]]
