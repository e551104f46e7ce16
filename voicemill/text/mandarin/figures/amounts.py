"""Readers of money, measures, spans, ratios, fractions and plain numbers."""

import re
import unicodedata
from fractions import Fraction
from re import Match

from voicemill.text.mandarin.figures import tables
from voicemill.text.mandarin.figures.numbers import Place, counted, model, number, quantity
from voicemill.text.mandarin.numbers import cardinal, digits

_DEGREES = {"°C", "℃", "°", "度", "摄氏度"}
_MAGNITUDES = {"k": "千", "m": "百万", "b": "十亿", "bn": "十亿", "mn": "百万"}


def _amount(written: str, magnitude: str | None) -> str:
    spoken = quantity(written, whole_money=True)
    if magnitude and spoken == "二":
        spoken = "两"
    return spoken + _MAGNITUDES.get((magnitude or "").lower(), magnitude or "")


def _currency(sign: str, place: Place) -> str:
    return place.dialect.dollar if sign == "$" else tables.currencies()[sign]


def money(match: Match[str], place: Place) -> str | None:
    sign, negative, first, first_magnitude, second, magnitude = match.groups()
    if sign[0].isalpha() and re.search("[A-Za-z]$", place.before):
        return None
    spoken = ("负" if negative else "") + _amount(first, first_magnitude)
    if second:
        spoken += "到" + _amount(second, magnitude)
    if spoken == "二":
        spoken = "两"
    return spoken + _currency(sign, place)


def money_behind(match: Match[str], place: Place) -> str | None:
    spoken = _amount(match[1], match[2])
    return ("两" if spoken == "二" else spoken) + _currency(match[3], place)


def span(match: Match[str], place: Place) -> str | None:
    """Two numbers with a dash between: 到, 比, 杠 or 减."""
    first_sign, first, first_unit, dash, second_sign, second, second_unit = match.groups()
    whole = first.isdigit() and second.isdigit() and not first_unit
    if dash == "-" and whole and not second_unit:
        if place.precedes("dash as 杠") or (int(first) > int(second) and re.match("\\s?号", place.after)):
            return "杠".join(model(part, place) for part in (first, second))
        if len(first) < 4 and len(second) < 4 and (place.follows("score before") or place.precedes("score after")):
            return f"{quantity(first)}比{quantity(second)}"
    if dash == "-" and is_difference(match, place):
        return None
    if whole and len(first) == len(second) == 4 and re.match(r"\s?年(?!前|后|来|间)", place.after):
        return f"{digits(first)}到{digits(second)}"
    ends = Place(place.text, place.start, match.end(), place.dialect)
    spoken = _signed(first_sign, first, first_unit, ends), _signed(second_sign, second, second_unit, ends)
    if place.before.endswith("第"):
        spoken = cardinal(first), cardinal(second)
    return "到".join(spoken)


def is_difference(match: Match[str], place: Place) -> bool:
    """Return whether the dash between two numbers is a minus, or no word at all."""
    _, first, first_unit, _, _, second, second_unit = match.groups()
    if re.search(r"[=×÷*+<>]\s?$", place.before) or re.match(r"\s?[=×÷*+<>-]", place.after):
        return True
    if first_unit or second_unit or place.precedes("two as 两") or place.precedes("two as 二"):
        return False
    if place.precedes("cardinal after") or not (first.isdigit() and second.isdigit()):
        return float(first.replace(",", "")) > float(second.replace(",", "")) and not place.precedes("cardinal after")
    return int(first.replace(",", "")) >= int(second.replace(",", ""))


def _signed(sign: str | None, written: str, unit: str | None, place: Place) -> str:
    if unit:
        return _measured(sign == "-", written, unit.strip())
    return ("负" if sign == "-" else "") + counted(written, place)


def ratio(match: Match[str], place: Place) -> str:
    return "比".join(quantity(part) for part in re.split(r"\s?:\s?", match[0]))


def game(match: Match[str], place: Place) -> str | None:
    """中国1-2: two small numbers behind the name of a team."""
    from voicemill.text.mandarin import words

    if re.search("[一-龥]\\s?$", place.before) and not re.match("[一-龥A-Za-z]", place.after):
        last = words.segment(place.before.strip())[-1]
        if last.tag in {"ns", "nt", "nrt"} or last.text.endswith("队"):
            return f"{quantity(match[1])}比{quantity(match[2])}"
    return None


def fraction(match: Match[str], place: Place) -> str | None:
    sign, whole, above, below = match.groups()
    if (above, below) == ("24", "7"):
        return "二十四七"
    if sign and not _is_negative(place, True):
        return None
    if re.match(r"\s?/\s?\d", place.after) or not int(below):
        return None
    spoken = f"{cardinal(below)}分之{cardinal(above)}"
    return ("负" if sign else "") + (f"{quantity(whole)}又" if whole else "") + spoken


def _measured(negative: bool, written: str, unit: str) -> str:
    if unit in "%‰":
        return ("负" if negative else "") + ("百分之" if unit == "%" else "千分之") + quantity(written)
    if unit in _DEGREES:
        return ("零下" if negative else "") + quantity(written) + ("摄氏度" if unit == "摄氏度" else "度")
    spoken = quantity(written)
    return ("负" if negative else "") + ("两" if spoken == "二" else spoken) + tables.unit(unit)


def _is_negative(place: Place, exact: bool) -> bool:
    """Whether the dash in front of a number is a minus: `exact` where what follows is not a bare whole number."""
    before = place.before
    if not before or not (before[-1].isalnum()):
        return not before.endswith(("-", "—"))
    if re.search("[A-Za-z\\d]$", before):
        return False
    return exact or place.follows("value before")


def measure(match: Match[str], place: Place) -> str | None:
    sign, written, unit = match.groups()
    if unit.isascii() and unit.isalpha() and re.search(r"(?<![\d.])[A-Za-z]-?$", place.before):
        return None  # H7N9 has no newtons
    if sign == "-" and not _is_negative(place, True):
        return _measured(False, written, unit.strip())
    return _plus(sign) + _measured(sign == "-", written, unit.strip())


def _plus(sign: str | None) -> str:
    return {"+": "正", "±": "正负"}.get(sign or "", "")


def plain_number(match: Match[str], place: Place) -> str | None:
    sign, written, more = match.groups()
    if written == "2" and re.search("(?<![A-Za-z])[A-Z]$", place.before) and re.match("[A-Z](?![A-Za-z])", place.after):
        return None  # B2B is said in English
    inner = Place(place.text, match.start(2), match.end(2), place.dialect)
    if more == "w":
        return (
            _sign(sign, place, True) + quantity(written).replace("二", "两") + "万"
            if written == "2"
            else (_sign(sign, place, True) + quantity(written) + "万")
        )
    if sign == "-" and not _is_negative(place, "." in written):
        spoken = model(written, inner) if written.isdigit() else quantity(written)
        return spoken + (_more(place) if more else "")
    ends = Place(place.text, match.start(2), match.end(), place.dialect) if more else inner
    return _sign(sign, place, "." in written) + number(written, ends) + (_more(place) if more else "")


def _sign(sign: str | None, place: Place, exact: bool) -> str:
    if sign == "-":
        return "负" if _is_negative(place, exact) else ""
    return _plus(sign)


def _more(place: Place) -> str:
    counts = place.precedes("two as 两") or place.precedes("cardinal after")
    return "多" if counts else "加"


def degrees_in_words(match: Match[str], place: Place) -> str | None:
    if not _is_negative(place, True):
        return None
    return _measured(True, match[1], match[2])


def ordinal(match: Match[str], place: Place) -> str | None:
    if re.search("[A-Za-z]$", place.before):
        return None
    return "第" + cardinal(match[1])


def numeral(match: Match[str], place: Place) -> str | None:
    """①, Ⅱ, ㈠, ½: characters that are numbers."""
    value = unicodedata.numeric(match[0], -1)
    if value < 0:
        return None
    if value == int(value):
        return counted(str(int(value)), place)
    part = Fraction(value).limit_denominator(1000)
    return f"{cardinal(str(part.denominator))}分之{cardinal(str(part.numerator))}"
