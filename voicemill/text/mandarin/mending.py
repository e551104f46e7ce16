"""Put right, before the reference's rules run, what they would misread.

Each rule rewrites only what the rules of `normalization` read wrongly (not what they merely read otherwise), in
characters or in a form that they read well.
"""

import re
from collections.abc import Callable
from re import Match

from voicemill.text.mandarin.numbers import cardinal, decimal, digits, western

_CLASSIFIER = "[年月日号个元块人名次天岁米公度分秒万亿千百斤只件页层倍%％℃]"
_MONEY = {"$": "美元", "＄": "美元", "€": "欧元", "£": "英镑", "￡": "英镑", "￥": "元", "¥": "元"}
_FRACTIONS = {"½": "二分之一", "⅓": "三分之一", "⅔": "三分之二", "¼": "四分之一", "¾": "四分之三"}
_AMOUNT = r"(\d(?:[\d,]*\d)?(?:\.\d+)?(?:[万亿]|(?=\D|$)))"


def _date(match: Match[str]) -> str:
    year, _, month, day = match.groups()
    is_date = 1 <= int(month) <= 12 and 1 <= int(day) <= 31
    return f"{year}年{int(month)}月{int(day)}日" if is_date else match[0]


def _telephone(match: Match[str]) -> str:
    return "，".join(digits(part, phone=True) for part in match[0].split("-"))


_RULES: list[tuple[re.Pattern[str], str | Callable[[Match[str]], str]]] = [
    (re.compile(pattern), mended)
    for pattern, mended in [
        ("〇", "零"),
        (f"[{''.join(_FRACTIONS)}]", lambda m: _FRACTIONS[m[0]]),
        (r"(?<![\d/.-])(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?![\d/.-])", _date),
        (r"(?<![\d-])(?:400-\d{3}-\d{4}|1\d{2}-\d{4}-\d{4})(?![\d-])", _telephone),
        (r"(?<!\d)(\d{4})\s?[-~～至到]\s?(\d{4})(?=年)", lambda m: f"{digits(m[1])}到{digits(m[2])}"),
        # before an amount the sign is money, elsewhere a pause
        (rf"([{''.join(_MONEY)}])\s*{_AMOUNT}[-~～]{_AMOUNT}", lambda m: f"{decimal(m[2])}到{m[3]}{_MONEY[m[1]]}"),
        (rf"([{''.join(_MONEY)}])\s*{_AMOUNT}", lambda m: f"{m[2]}{_MONEY[m[1]]}"),
        # 一千二百五十, not 一 and 二百五十
        (r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?!\d|,\d)", lambda m: m[0].replace(",", "")),
        (r"第\s?(\d{1,4})[-~](\d{1,4})(?!\d)", lambda m: f"第{cardinal(m[1])}到{cardinal(m[2])}"),
        # an ordinal's two is 二, never 两
        (r"第\s?(\d{1,4})(?!\d|\.\d|-\d)", lambda m: "第" + cardinal(m[1])),
        # each end of a span of time has its own minutes
        (r"(\d{1,2}:\d{2})\s?[~-]\s?(\d{1,2}:\d{2})(?!:)", r"\1至\2"),
        (r"(?<![\d:])(\d{1,3}):(\d(?!\d)|[6-9]\d|\d{3})(?![\d:])", lambda m: f"{cardinal(m[1])}比{cardinal(m[2])}"),
        # the hyphen of a telephone number is a pause
        (r"(?<![\d-])(0\d{2,3})-(\d{7,8})(?!\d)", r"\1，\2"),
        (
            rf"(?<![\d.+\-×÷=])(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)(?={_CLASSIFIER})",
            lambda m: f"{decimal(m[1])}到{m[2]}",
        ),
        (r"(?<=\d)\s?km/h(?![A-Za-z])", "千米每小时"),
        (r"(?<=\d)\s?m/s(?![A-Za-z])", "米每秒"),
        (r"(?<=\d)\s?km[²2](?![A-Za-z\d])", "平方千米"),
        (r"(?<=\d)\s?m[Ll](?![A-Za-z])", "毫升"),
        (r"(?<=\d)\s?L(?![A-Za-z])", "升"),
        (r"(?<=\d)\s?°F(?![A-Za-z])", "华氏度"),
        (r"(?<=\d)\s?÷\s?(?=\d)", "除以"),
        (r"(?<![\d.:点])2点(?!\d)", "两点"),
        (r"(?<=\d)\s?mm(?![A-Za-z])", "毫米"),
        (r"(?<=\d)\s?ms(?![A-Za-z])", "毫秒"),
        (r"(?<=\d)\s?g(?![A-Za-z])", "克"),
        # the letters of a foreign word are no units
        (r"(?<![\dA-Za-z])[A-Za-z]+(?:[-@._'][A-Za-z]+)+|(?<![\dA-Za-z])[A-Za-z]{2,}", ""),
    ]
]


def mend(text: str) -> str:
    """The text, still in figures, with what would be misread written otherwise."""
    text = western(text)
    for pattern, mended in _RULES:
        text = pattern.sub(mended, text)
    return text
