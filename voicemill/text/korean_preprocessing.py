"""Put right, before g2pk2 reads, the figures and signs that it would drop or read digit by digit.

The rules are in `korean_figures.csv`, units and counters in `korean_tables.csv`; words that g2pk2 sounds otherwise than
a speaker in `korean_words.csv`.
"""

import functools
import re

from voicemill.text.rewriting import Rule, alternatives, read_rules, read_tables, rewrite

_TABLES = read_tables("voicemill.text", "korean_tables.csv")
_DIGITS = "영일이삼사오육칠팔구"
_SPELLED_AT_HOME = "공일이삼사오육칠팔구"  # what telephone numbers of the country say for nought
_NATIVE = ["", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉"]
_TENS = ["", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔"]
_MYRIADS = ["", "만", "억", "조", "경"]
_LONGEST_NUMBER = 4 * len(_MYRIADS)
_MONTHS = {6: "유", 10: "시"}
_OPERATORS = {"+": " 더하기 ", "-": " 빼기 ", "−": " 빼기 ", "×": " 곱하기 ", "÷": " 나누기 "}
_ENGLISH = {"2": "투", "3": "쓰리", "4": "포", "5": "파이브", "D": "디", "G": "지", "K": "케이"}
_PARTICLES = {"이": "가", "은": "는", "을": "를", "과": "와"}
_PATTERNS = {
    "NUMBER": r"\d+(?:\.\d+)?",
    "AMOUNT": r"\d+(?:\.\d+)?[천만억조]*",
    "MONTH": r"(?:0?[1-9]|1[0-2])",
    "DAY": r"(?:0?[1-9]|[12]\d|3[01])",
    "HOUR": r"(?:[01]?\d|2[0-4])",
    "TO": "[~∼〜～-]",
    "CURRENCY": "".join(_TABLES["currency"]),
    "CODE": f"(?:{alternatives(_TABLES['code'])})",
    "UNIT": f"(?:{alternatives(_TABLES['unit'])})(?![A-Za-z/²³])",
    "NATIVE": f"(?:{alternatives(_TABLES['counter'])})",
    # What makes another word of a counter: 개월, 대학, 번지, 장관 ...
    "NOT_COUNTER": "(?:월|학|지|관|출|국|수|자|문|판매|금)",
    "JOSA": r"(?:이|가|은|는|을|를|과|와)(?=$|[\s.,?!])",
}


def cardinal(number: str) -> str:
    """Return a whole number in Sino-Korean words, 1500 -> 천오백; a very long one digit by digit."""
    digits = number.lstrip("0")
    if not digits:
        return "영"
    if len(digits) > _LONGEST_NUMBER or (len(digits) < len(number) and len(number) > 2):
        return _spelled(number)
    groups = [digits[max(0, end - 4) : end] for end in range(len(digits), 0, -4)]
    words = [_below_ten_thousand(group) for group in groups]
    said = [word + unit for word, unit in zip(words, _MYRIADS, strict=False) if word]
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
    """Return a number with or without a fraction and a unit of ten thousands, 3.14 -> 삼점일사."""
    digits = number.rstrip("천만억조")
    whole, _, fraction = digits.partition(".")
    said = cardinal(whole) + ("점" + "".join(_DIGITS[int(digit)] for digit in fraction) if fraction else "")
    return said + number[len(digits) :]


def _spelled(number: str, names: str = _DIGITS) -> str:
    """Return digits by their names."""
    return "".join(names[int(digit)] for digit in number if digit.isdigit())


def _english(written: str) -> str:
    """3D and its like, which Koreans say in English."""
    return _ENGLISH[written[0]] + _ENGLISH[written[1]]


def _native(number: str) -> str:
    tens, ones = divmod(int(number), 10)
    return "스무" if int(number) == 20 else _TENS[tens] + _NATIVE[ones]


def _month(month: str) -> str:
    return f"{_MONTHS.get(int(month)) or cardinal(str(int(month)))}월"


def _hour(hour: str) -> str:
    # The clock of 24 hours counts in Sino-Korean words after noon.
    return f"{_native(hour) if 0 < int(hour) < 13 else cardinal(str(int(hour)))}시"


def _counted(unit: str, number: str) -> str:
    return f" {cardinal(str(int(number)))}{unit}" if int(number) else ""


def _fraction(written: str) -> str:
    above, below = (part.strip() for part in written.split("/"))
    return f"{cardinal(below)}분의 {cardinal(above)}"


def _fraction_with_particle(written: str) -> str:
    """Return a fraction and its particle in the form that follows its last sound: 사 takes 가, 육 takes 이."""
    said, particle = _fraction(written[:-1]), written[-1]
    for closed, opened in _PARTICLES.items():
        if particle in (closed, opened):
            return said + (closed if _ends_in_consonant(said) else opened)
    return said + particle


def _ends_in_consonant(word: str) -> bool:
    return (ord(word[-1]) - ord("가")) % 28 > 0


def _over(written: str) -> str:
    above, below = (int(part) for part in written.split("/"))
    is_day = " " not in written and not above < below <= 10 and 1 <= above <= 12 and 1 <= below <= 31
    return f"{_month(str(above))} {cardinal(str(below))}일" if is_day else _fraction(written)


def _topic(number: str) -> str:
    said = decimal(number)
    return said + ("은" if _ends_in_consonant(said) else "는")


_READERS = {
    "cardinal": lambda number: cardinal(str(int(number)) if len(number) < 5 else number),
    "currency": lambda sign: {**_TABLES["currency"], **_TABLES["code"]}[sign],
    "decimal": decimal,
    "english": _english,
    "fraction": _fraction,
    "fraction_with_josa": _fraction_with_particle,
    "hour": _hour,
    "minutes": functools.partial(_counted, "분"),
    "month": _month,
    "month_alone": lambda month: _month(month)[:-1],
    "native": _native,
    "operator": _OPERATORS.__getitem__,
    "over": _over,
    "percent": lambda sign: "퍼센트" if sign else "",
    "points": lambda numbers: "점 ".join(map(_spelled, numbers.split("."))),
    "seconds": functools.partial(_counted, "초"),
    "space": lambda following: " " if following else "",
    "spelled": _spelled,
    "telephone": lambda number: " ".join(map(_spelled, re.findall(r"\d+", number))),
    "telephone_home": lambda number: ", ".join(_spelled(part, _SPELLED_AT_HOME) for part in re.findall(r"\d+", number)),
    "telephone_parts": lambda number: ", ".join(map(_spelled, re.findall(r"\d+", number))),
    "topic": _topic,
    "ungrouped": lambda number: number.replace(",", ""),
    "unit": _TABLES["unit"].__getitem__,
}


_LATIN_UNITS = alternatives([unit for unit in _TABLES["unit"] if unit.isascii()])
# Figures with Latin letters that are Korean, where no English stands beside them.
OWN_FIGURES = re.compile(
    rf"(?<![A-Za-z])(?<![A-Za-z][ .,])(?:{_PATTERNS['CODE']}\s?\d[\d,]*(?:\.\d+)?[천만억조]*"
    rf"|\d[\d,.]*\s?(?:{_PATTERNS['CODE']}|{_LATIN_UNITS})(?![A-Za-z/²³])"
    r"|(?<!\d)[2-5][DGK](?![A-Za-z]))(?! [A-Za-z])"
)


@functools.cache
def rules() -> list[Rule]:
    """Return the rules of Korean, in the order in which they run."""
    return [
        rule
        for file in ("korean_figures.csv", "korean_words.csv")
        for rule in read_rules("voicemill.text", file, _PATTERNS, _READERS)
    ]


def preprocess(text: str) -> str:
    """Return the text with what would be misread written otherwise."""
    return rewrite(text, rules())
