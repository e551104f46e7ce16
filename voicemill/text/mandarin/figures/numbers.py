"""How a number is read where it stands: as a quantity, digit by digit, as a year, with 二 or 两."""

import re
from dataclasses import dataclass

from voicemill.text.mandarin.figures import tables
from voicemill.text.mandarin.numbers import cardinal, decimal, digits

_LOOK = 12  # characters on either side that decide
_TWO = re.compile("(?:(?<=亿)|(?<![一-龥]))二(?=[千万亿])")
_LONGEST = 16  # digits; a longer number has no units in speech


@dataclass(frozen=True)
class Dialect:
    """What two varieties of Chinese read otherwise.

    Attributes:
        one: One in telephone and room numbers.
        dollar: The bare sign $.
    """

    one: str = "幺"
    dollar: str = "美元"


@dataclass(frozen=True)
class Place:
    """Where a figure stands: its text, and where in it the figure begins and ends."""

    text: str
    start: int
    end: int
    dialect: Dialect

    @property
    def before(self) -> str:
        return self.text[max(0, self.start - _LOOK) : self.start]

    @property
    def after(self) -> str:
        return self.text[self.end : self.end + _LOOK]

    def follows(self, kind: str) -> bool:
        """Return whether a word of this kind stands in front."""
        return tables.before(kind).search(self.before) is not None

    def follows_directly(self, kind: str) -> bool:
        """Return whether a word of this kind stands in front, with nothing between."""
        return tables.directly_before(kind).search(self.before) is not None

    def precedes(self, kind: str) -> bool:
        """Return whether a word of this kind stands behind."""
        return tables.after(kind).match(self.after) is not None


def code(number: str, dialect: Dialect) -> str:
    """Digit by digit, as telephone numbers are said."""
    return digits(number).replace("一", dialect.one)


def quantity(number: str, *, whole_money: bool = False) -> str:
    """Return a number as an amount: 两 in front of 千, 万 and 亿.

    Args:
        number: Digits, with or without commas and a fraction.
        whole_money: Leave out a fraction of zeros alone, as in 36.00元.
    """
    number = number.replace(",", "")
    whole, _, fraction = number.partition(".")
    if len(whole.lstrip("0")) > _LONGEST:
        return digits(whole) + (f"点{digits(fraction)}" if fraction else "")
    if whole_money and fraction and not fraction.strip("0"):
        number = whole
    return _TWO.sub("两", decimal(number)).replace("零一十万", "零十万")


def counted(number: str, place: Place) -> str:
    """Return an amount, two as 二 or 两 by the words beside it."""
    spoken = quantity(number)
    if spoken != "二":
        return spoken
    if place.follows_directly("two after as 二") or place.precedes("two as 二"):
        return "二"
    return "两" if place.precedes("two as 两") else "二"


def number(written: str, place: Place) -> str:
    """Return a number without a sign in front or a unit behind."""
    if not written.isdigit():
        return quantity(written, whole_money=re.match("元|块|美元|欧元|港元|英镑", place.after) is not None)
    if place.before.endswith("第"):
        return cardinal(written).replace("零一十万", "零十万")
    year = _year(written, place)
    if year:
        return year
    padded = len(written) > 1 and written.startswith("0")
    if padded and not re.match("[月日号时点分秒]", place.after):
        return digits(written) if len(written) == 2 else code(written, place.dialect)
    if re.search("[A-Za-z]-?$", place.before):
        return model(written, place)
    if len(written) > 2 and not place.precedes("cardinal after") and _is_code(written, place):
        return code(written, place.dialect)
    return counted(written, place)


def model(written: str, place: Place) -> str:
    """Return the number of a model (A380, F-35): one or two digits, and round ones, are a quantity."""
    if len(written) < 3 or written.endswith("00"):
        return quantity(written)
    return code(written, place.dialect)


def _is_code(written: str, place: Place) -> bool:
    if place.follows("emergency before") and len(written) <= 5:
        return True
    if tables.is_word("digits", written) and not place.follows("cardinal before"):
        return True
    if place.follows("code before") or place.precedes("code after"):
        return True
    if place.follows("cardinal before"):
        return False
    zeros = 2 * written.count("0") >= len(written)
    return not zeros and (len(written) in (7, 8) or len(written) > 10)


def _year(written: str, place: Place) -> str | None:
    """Return the number in front of 年 (or 后 of a generation), where it names a year."""
    if re.match("后(?!天|来|面|退|续)", place.after) and re.fullmatch("[056789][05]", written):
        return digits(written)
    if not place.after.startswith("年"):
        return None
    behind = place.after[1:]
    if behind.startswith("代"):
        return digits(written) if len(written) == 4 else None
    dated = re.match(r"\s?\d{1,2}月", behind) is not None
    span = tables.after("years after").match(behind) is not None and not behind.startswith("前后")
    lasts = place.follows_directly("years before") or span
    if len(written) == 4:
        is_span = place.follows_directly("years before") and not dated and written.endswith("00")
        is_span = is_span or (span and written.endswith("000"))
        return None if is_span or "2999" < written < "9000" else digits(written)
    if place.follows("year before") and len(written) > 1 and not span:
        return digits(written)
    if len(written) == 3:
        at_start = place.before == "" or not place.before[-1].isalnum()
        return digits(written) if dated or (at_start and not lasts and written[-1] != "0") else None
    if len(written) == 2:
        if not place.before.strip() and not behind.strip():
            return digits(written)
        named = dated or written.startswith("0") or (not lasts and written[-1] != "0")
        return digits(written) if named else None
    return None
