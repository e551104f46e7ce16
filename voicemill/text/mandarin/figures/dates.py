"""Readers of dates, times and telephone numbers."""

import re
from re import Match

from voicemill.text.mandarin.figures.numbers import Place, code
from voicemill.text.mandarin.numbers import cardinal, digits


def telephone(match: Match[str], place: Place) -> str | None:
    if re.search(r"[\d.-]$", place.before) or place.before.endswith(tuple("¥$€£")):
        return None
    return "，".join(code(part, place.dialect) for part in re.findall(r"\d+", match[0]))


def dotted(match: Match[str], place: Place) -> str:
    return "点".join(digits(part) for part in match[0].split("."))


def _is_date(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def full_date(match: Match[str], place: Place) -> str | None:
    year, _, month, day = match.groups()
    padded = len(year) == 4 or len(month) == 2 or len(day) == 2 or match[2] == "/"
    if not _is_date(month, day) or not padded or re.search(r"[\d./-]$", place.before):
        return None
    return f"{digits(year)}年{cardinal(month)}月{cardinal(day)}日"


def date_year_last(match: Match[str], place: Place) -> str | None:
    month, _, day, year = match.groups()
    if not _is_date(month, day) and _is_date(day, month):
        month, day = day, month
    return f"{digits(year)}年{cardinal(month)}月{cardinal(day)}日" if _is_date(month, day) else None


def year_month(match: Match[str], place: Place) -> str | None:
    year, sign, month = match.groups()
    if not 1 <= int(month) <= 12 or not "1000" < year < "2999" or (len(month) == 1 and sign != "/"):
        return None
    if re.match(r"\s?[元万亿%个块]", place.after):
        return None
    return f"{digits(year)}年{cardinal(month)}月"


def month_day(match: Match[str], place: Place) -> str | None:
    """02-14, 3/15, 11/11: what can only be a day of the year, or is written as one."""
    month, sign, day = match.groups()
    if not _is_date(month, day) or re.match(r"\s?[的个杯人块元%]", place.after) or re.search(r"[\d/.-]$", place.before):
        return None
    padded = len(month) == len(day) == 2 and "0" in (month[0], day[0])
    late = sign == "/" and ((int(day) > 12 and int(day) not in (16, 20, 24)) or (month == day and month != "1"))
    if (padded and sign != ".") or (late and not place.follows("score before")):
        return f"{cardinal(month)}月{cardinal(day)}日"
    return None


def event(match: Match[str], place: Place) -> str | None:
    """6·18, and 9.11 in front of what happened on that day."""
    month, sign, day = match.groups()
    if _is_date(month, day) and (sign == "·" or place.precedes("event after")):
        return digits(month) + digits(day)
    return None


def month_dates(match: Match[str], place: Place) -> str:
    return f"{cardinal(match[1])}月{cardinal(match[2])}"


def era(match: Match[str], place: Place) -> str:
    year, month, era = match[1] or match[4], match[2], match[3] or match[5]
    name = "公元前" if era[0] in "bB" else "公元"
    return f"{name}{digits(year)}年" + (f"{cardinal(month)}月" if month else "")


def _clock(hour: str, minute: str, second: str | None, noon: str | None) -> str | None:
    if int(hour) > 24 or int(minute) > 59 or int(second or "0") > 59:
        return None
    spoken = ("两" if hour.lstrip("0") == "2" else cardinal(hour)) + "点"
    if second is None and minute == "30":
        spoken += "半"
    elif int(minute) or int(second or "0"):
        spoken += _two_digits(minute) + "分"
    if second and int(second):
        spoken += _two_digits(second) + "秒"
    return (("上午" if noon[0] in "aA" else "下午") if noon else "") + spoken


def _two_digits(written: str) -> str:
    return ("零" if written.startswith("0") and int(written) else "") + cardinal(written)


def time(match: Match[str], place: Place) -> str | None:
    if place.follows("score before") or place.precedes("score after"):
        return None
    return _clock(match[1], match[2], match[3], match[4])


def times(match: Match[str], place: Place) -> str | None:
    first, second = _clock(match[1], match[2], match[3], None), _clock(match[5], match[6], match[7], None)
    joint = "到" if match[4] in "—到" else "至"
    return f"{first}{joint}{second}" if first and second else None
