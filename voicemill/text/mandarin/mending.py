"""Put right, before the reference's rules run, what they would misread.

Each rule rewrites only what the rules of `normalization` read wrongly (not what they merely read otherwise), in
characters or in a form that they read well.
"""

import re
from collections.abc import Callable
from re import Match

from voicemill.text.mandarin.numbers import cardinal, decimal, western

_CLASSIFIER = "[年月日号个元块人名次天岁米公度分秒万亿千百斤只件页层倍%％℃]"
_RULES: list[tuple[re.Pattern[str], str | Callable[[Match[str]], str]]] = [
    (re.compile(pattern), mended)
    for pattern, mended in [
        # before an amount the sign is money, elsewhere a pause
        (r"[￥¥]\s*(\d(?:[\d,]*\d)?(?:\.\d+)?(?:[万亿]|(?=\D|$)))", r"\1元"),
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
