"""How English says numbers, dates, times, sums of money and addresses: the readers that `figures.csv` names."""

import functools
import re
import unicodedata
from typing import Any

from voicemill.text.rewriting import Readers, alternatives, read_tables

TABLES = read_tables("voicemill.text.english", "tables.csv")
_LONGEST_NUMBER = 36  # digits that have a name; a longer number is read digit by digit
_MONTHS = list(TABLES["month"].values())
_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8", "⅜": "3/8"}
_DECADES = {
    "0": "hundreds", "1": "tens", "2": "twenties", "3": "thirties", "4": "forties", "5": "fifties", "6": "sixties",
    "7": "seventies", "8": "eighties", "9": "nineties",
}  # fmt: skip
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50}
_SIGNS = {".": "dot", "/": "slash", ":": "colon", "-": "dash", "@": "at", "_": "underscore", "?": "question mark"} | {
    "=": "equals", "&": "and", "%": "percent", "#": "hash", "~": "tilde", "+": "plus"
}  # fmt: skip
_SPELLED_PARTS = " www http https ftp html htm php asp jpg png gif pdf edu uk de it sm cn jp kr fr "
_CROWNED = (
    "Henry|Louis|George|Edward|Charles|James|William|Elizabeth|Richard|Paul|Napoleon|Philip|Alexander|Nicholas|Peter|"
    "Catherine|Frederick|Benedict|Pius|Leo|Ramses|Ferdinand|Francis|Wilhelm|Mary|Victoria|Leopold|Ivan|Sixtus"
)
_COUNTED = (
    "War|Chapter|CHAPTER|Part|PART|Volume|Act|ACT|Scene|Phase|Type|Level|Book|Episode|Section|Class|Mark|Title|Article|"
    "Season|Super Bowl|Appendix|Unit"
)
NAMES = {
    "AMOUNT": r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)",
    "NUMBER": r"\d+(?:\.\d+)?",
    "MONTH": (
        r"(?:(?i:January|February|March|April|June|July|August|September|October|November|December|Jan|Feb|Apr|Jun|Jul|Aug|"
        r"Sept?|Oct|Nov|Dec)|May|Mar|MAY|MAR)"
    ),
    "UNIT": f"(?:{alternatives(TABLES['unit'])})",
    "PER": f"(?:{alternatives(TABLES['per'])})",
    "TITLE": f"(?:{alternatives(TABLES['title'])})",
    "SHORT": f"(?:{alternatives(TABLES['short'])})",
    "STREET": f"(?:{alternatives(TABLES['street'])})",
    "STATE": f"(?:{alternatives(TABLES['state'])})",
    "CURRENCY": "".join(TABLES["currency"]),
    "SCALE": "hundred|thousand|million|billion|trillion",
    "COUNTED": f"(?:{_COUNTED})",
    "CROWNED": f"(?:{_CROWNED})",
    "TLD": "(?:com|org|net|edu|gov|io|ai|co|uk|de|fr|it|jp|cn|kr|ru|eu|info|dev|app|tv|me|abc|sm)",
    "ENDING": r"(?:jpg|jpeg|png|gif|pdf|txt|csv|json|html?|exe|zip|docx?|xlsx?|pptx?|"
    "mp3|mp4|wav|py|js|cpp|java|md|yaml)",
}


@functools.cache
def _inflect() -> Any:
    import inflect

    return inflect.engine()


@functools.lru_cache(maxsize=4096)
def cardinal(number: str) -> str:
    """A whole number in words without pauses; a very long one, or one that begins with a nought, digit by digit."""
    if len(number) > _LONGEST_NUMBER or (len(number) > 1 and number[0] == "0"):
        return digits(number)
    return str(_inflect().number_to_words(number, andword="")).replace(",", "")


_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def digits(number: str) -> str:
    """Return digits by their names."""
    return " ".join(_DIGITS[int(digit)] for digit in number if digit.isdigit())


def decimal(number: str) -> str:
    """Return a number with or without groups of thousands and a fraction."""
    whole, _, fraction = number.replace(",", "").partition(".")
    said = [cardinal(whole)] if whole else []
    return " ".join([*said, "point", digits(fraction)] if fraction else said)


def ordinal(number: str | int) -> str:
    """Return a whole number as first, second ..."""
    return str(_inflect().number_to_words(_inflect().ordinal(int(number)), andword="")).replace(",", "")


def year(number: str) -> str:
    """Return a year of four digits by its halves, 1987 -> nineteen eighty-seven."""
    century, rest = divmod(int(number), 100)
    if century % 10 == 0 and rest < 10:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(str(century))} hundred"
    return f"{cardinal(str(century))} {'oh ' if rest < 10 else ''}{cardinal(str(rest))}"


def house(number: str) -> str:
    """Return a number of a house, room or flight: 370 -> three seventy, 1211 -> twelve eleven."""
    if len(number) == 3:
        first, rest = number[0], number[1:]
        tail = "hundred" if rest == "00" else f"oh {cardinal(rest[1])}" if rest[0] == "0" else cardinal(rest)
        return f"{cardinal(first)} {tail}"
    if len(number) == 4 and number[1:] != "000":
        return year(number)
    return cardinal(number)


def telephone(number: str) -> str:
    """Groups of digits with a pause between them."""
    return ", ".join(map(digits, re.findall(r"\d+", number)))


def _month(name: str) -> str:
    return TABLES["month"][name[:3].lower()]


def date(written: str) -> str:
    """Return a date in figures; what is none stays as numbers beside each other."""
    first, second, third = re.split("[-/.]", written)
    if len(first) == 4:
        number, month, day = first, second, third
    elif int(first) > 12:
        number, month, day = third, second, first
    else:
        number, month, day = third, first, second
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return " ".join(map(cardinal, (first, second, third)))
    said_year = (
        year(number) if len(number) == 4 else f"oh {cardinal(number[1])}" if number[0] == "0" else cardinal(number)
    )
    if "." in written and number == third and day == first:
        return f"the {ordinal(day)} of {_MONTHS[int(month) - 1]} {said_year}"
    return f"{_MONTHS[int(month) - 1]} {ordinal(day)}, {said_year}"


def _decade(written: str) -> str:
    century, tens = written[:-1], written[-1]
    if tens == "0" and century.endswith("0"):
        return f"{cardinal(century[:-1])} thousands"
    return f"{cardinal(century)} {_DECADES[tens]}" if century else _DECADES[tens]


def clock(written: str) -> str:
    """Return a time of day in hours and minutes."""
    hour, minute = map(int, re.split("[:.]", written))
    past = f"{'oh ' if minute < 10 else ''}{cardinal(str(minute))}" if minute else "o'clock"
    return f"{cardinal(str(hour))} {past}"


def _clock_half(written: str) -> str:
    return clock(written).removesuffix(" o'clock") if re.search("[:.]", written) else cardinal(str(int(written)))


def _hms(written: str) -> str:
    hour, minute, second = (int(part) for part in written.split(":"))
    parts = [(hour, "hour"), (minute, "minute"), (second, "second")]
    said = [f"{cardinal(str(count))} {name}{'' if count == 1 else 's'}" for count, name in parts]
    return f"{said[0]} {said[1]} and {said[2]}"


def money(written: str) -> str:
    """A sum with its sign in front: dollars and cents where the fraction has two digits, else a decimal number."""
    sign, amount = written[0], written[1:].strip().replace(",", "")
    whole, _, fraction = amount.partition(".")
    if len(fraction) > 2:
        fraction = fraction.rstrip("0")
        amount = f"{whole}.{fraction}" if fraction else whole
    one, many, cents = TABLES["one currency"][sign], TABLES["currency"][sign], TABLES["cents"].get(sign)
    if fraction and (not cents or len(fraction) > 2):
        return f"{decimal(amount)} {many}"
    small = int(fraction.ljust(2, "0")) if fraction else 0
    said = [f"{cardinal(whole)} {one if whole == '1' else many}"] if int(whole or 0) or not small else []
    if small and cents:
        single = "penny" if cents == "pence" else "cent"
        said.append(f"{cardinal(str(small))} {single if small == 1 else cents}")
    return " and ".join(said)


def _scale(written: str) -> str:
    word = written.strip()
    return f" {TABLES['scale'].get(word.lower(), word)}"


def fraction(written: str) -> str:
    """Return a fraction, 2/3 -> two thirds."""
    above, below = written.split("/")
    if int(below) < 2 or len(below) > 9:
        return f"{cardinal(above)} over {cardinal(below)}"
    one = int(above) == 1
    names = {2: "half" if one else "halves", 4: "quarter" if one else "fourths"}
    return f"{cardinal(above)} {names.get(int(below)) or ordinal(below) + ('' if one else 's')}"


def _part(written: str) -> str:
    return "a half" if written == "1/2" else fraction(written)


def address(written: str) -> str:
    """Return a page, a mail box or a file: every sign by its name, short parts spelled."""
    said = []
    for part in re.findall(r"[A-Za-z]+|\d+|[^\w\s]|_", written):
        if part.isdigit():
            said.append(digits(part) if len(part) > 2 else cardinal(part))
        elif part.isalpha():
            said.append(" ".join(part.lower()) if f" {part.lower()} " in _SPELLED_PARTS else part)
        else:
            said.append(_SIGNS.get(part, ""))
    return " ".join(filter(None, said))


def _roman(letters: str) -> int:
    values = [_ROMAN[letter] for letter in letters]
    return sum(-one if one < after else one for one, after in zip(values, [*values[1:], 0], strict=True))


def _from(table: str) -> Any:
    return TABLES[table].__getitem__


READERS: Readers = {
    "address": address,
    "and_a": lambda before: f"{before.strip()} and ",
    "cardinal": cardinal,
    "clock": clock,
    "clock_half": _clock_half,
    "comma_digits": lambda number: f", {digits(number)}",
    "comma_year": lambda number: f", {year(number)}",
    "compatible": lambda sign: unicodedata.normalize("NFKC", sign),
    "country": _from("country"),
    "currency": _from("currency"),
    "date": date,
    "decade": _decade,
    "decimal": decimal,
    "digits": digits,
    "dotted": lambda written: " dot ".join(map(digits, written.split("."))),
    "fraction": fraction,
    "half": lambda letter: f"{letter.upper()} M",
    "hms": _hms,
    "house": house,
    "letter_v": lambda written: "v ",
    "minus": lambda sign: "negative ",
    "money": money,
    "month": _month,
    "one_currency": _from("one currency"),
    "operator": _from("operator"),
    "ordinal": ordinal,
    "part": _part,
    "per": lambda unit: f" per {TABLES['per'][unit]}",
    "roman": lambda letters: cardinal(str(_roman(letters))),
    "roman_ordinal": lambda letters: ordinal(_roman(letters)),
    "scale": _scale,
    "short": _from("short"),
    "side": _from("side"),
    "space_year": lambda number: f" {year(number)}",
    "state": _from("state"),
    "street": _from("street"),
    "telephone": telephone,
    "title": _from("title"),
    "unit": _from("unit"),
    "units": _from("units"),
    "version": lambda number: " point ".join(cardinal(part) for part in number.split(".")),
    "vulgar": lambda sign: fraction(_VULGAR[sign]).replace("fourths", "quarters"),
    "weekday": _from("weekday"),
    "year": year,
}
