"""Write out digits, dates, units and signs as the reference does (`figures` is how we read them).

The readings follow PaddleSpeech's zh_normalization as GPT-SoVITS uses it, because the public weights learned from texts
that were read so: the order of the rules decides which of them sees a digit first.
"""

import functools
import re
import string
from collections.abc import Callable
from re import Match
from typing import Any

from voicemill.text.mandarin.numbers import DIGITS, cardinal, decimal, digits, western

_SENTENCE_END = re.compile(r"([：、，；。？！,;?!][”’]?)")
_BRACKETS = re.compile(r"[—《》【】<>{}()（）#&@“”^_|\\]")
_FULL_WIDTH = {ord(character) + 0xFEE0: character for character in string.ascii_letters}

_CLOCK = r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?"
_NUMBER = r"-?\d+(?:\.\d+)?"
_POWERS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸⁿ", "0123456789xyn", strict=True))
_OPERATORS = {"+": "加", "-": "减", "×": "乘", "÷": "除", "=": "等于"}
_OPERAND = r"(?:-?\d+(?:\.\d+)?[{0}]*|\.\d+[{0}]*|[A-Za-z][{0}]*)".format("".join(_POWERS))
_UNITS = {
    "cm2": "平方厘米", "cm²": "平方厘米", "cm3": "立方厘米", "cm³": "立方厘米", "cm": "厘米", "db": "分贝",
    "ds": "毫秒", "kg": "千克", "km": "千米", "m2": "平方米", "m²": "平方米", "m3": "立方米", "m³": "立方米",
    "ml": "毫升", "m": "米", "s": "秒",
}  # fmt: skip
_MEASURES = "|".join(["%", "°C", "℃", "度", "摄氏度", *_UNITS])
_CLASSIFIERS = (
    "[万丈世丘丝两个丸亩人代令件伏位例元冬出刀分列刻勺匹千升单卮厘双叠口只台合名周啖回场块坡堂堆堵墙壳壶处夏夜天头套"
    "季客家寸对寻封尺尾层山岁岭常幅幢平年床座张忽户所手扎打批把担挑捆撮支斗斛斤方日旬时春曲更月本朵条杯板枚枝架栋株根桶"
    "棵段毛毫江泡注溪炮煲片瓶百盆盏盒盘目石砣碗碟秋秒程窠笼管箩箱篇篮簋米粒纪线罐网罗脚腔艘袋袭角课贯贴趟跳身辆辈道里"
    "针钟钧钱钵铢铺锅锱间阙队阵面页顶项颗首亿吨群]|微[克米]|公分|小时|美元|十吨"
)
_GREEK = {
    "α": "阿尔法", "β": "贝塔", "γΓ": "伽玛", "δΔ": "德尔塔", "ε": "艾普西龙", "ζ": "捷塔", "η": "依塔", "θΘ": "西塔",
    "ι": "艾欧塔", "κ": "喀帕", "λΛ": "拉姆达", "μ": "缪", "ν": "拗", "ξΞ": "克西", "ο": "欧米克伦", "πΠ": "派",
    "ρ": "肉", "ςσΣ": "西格玛", "τ": "套", "υ": "宇普西龙", "φΦ": "服艾", "χ": "器", "ψΨ": "普赛", "ωΩ": "欧米伽",
}  # fmt: skip
GREEK = {letter: spoken for letters, spoken in _GREEK.items() for letter in letters}
"""Greek letter -> its name."""
_SPELLED = {
    **dict(zip("①②③④⑤⑥⑦⑧⑨⑩", "一二三四五六七八九十", strict=True)),
    **_GREEK,
    "/": "每", "+": "加", "-": "减", "×": "乘", "÷": "除", "=": "等",
}  # fmt: skip
_LAST_SIGNS = str.maketrans({sign: spoken for signs, spoken in _SPELLED.items() for sign in signs})


def _clock(hour: str, minute: str, second: str | None, half: bool) -> str:
    spoken = cardinal(hour) + "点"
    if int(minute):
        spoken += "半" if half else _two_digits(minute) + "分"
    if second and int(second):
        spoken += _two_digits(second) + "秒"
    return spoken


def _two_digits(number: str) -> str:
    return ("零" if number.startswith("0") else "") + cardinal(number.lstrip("0"))


def _time(match: Match[str]) -> str:
    return _clock(*match.groups(), half=match[2] == "30")


def _time_range(match: Match[str]) -> str:
    first, second = match.groups()[:3], match.groups()[3:]
    half = first[1] == "30"
    return f"{_clock(*first, half=half)}至{_clock(*second, half=half)}"


def _date(match: Match[str]) -> str:
    year, month, day, unit = match.groups()
    spoken = digits(year) + "年"
    if month:
        spoken += cardinal(month) + "月"
    return spoken + cardinal(day) + unit if day else spoken


def _temperature(match: Match[str]) -> str:
    sign, degrees, unit = match.groups()
    return ("零下" if sign else "") + decimal(degrees) + ("摄氏度" if unit == "摄氏度" else "度")


def _signed(number: str) -> str:
    return "负" + decimal(number[1:]) if number.startswith("-") else decimal(number)


def _counted(match: Match[str]) -> str:
    number = decimal(match[1])
    more = "多" if match[2] == "+" else match[2] or ""
    return ("两" if number == "二" else number) + more


def _phone(match: Match[str]) -> str:
    return "，".join(digits(part, phone=True) for part in re.split("[- ]", match[0].strip("+")))


_Rule = tuple[re.Pattern[str], Callable[[Match[str]], str]]

_RULES: list[_Rule] = [
    (re.compile(pattern), spoken)
    for pattern, spoken in [
        (r"(\d{4}|\d{2})年(?:(0?[1-9]|1[0-2])月)?(?:(0?[1-9]|[12]\d|30|31)([日号]))?", _date),
        (
            r"(\d{4})([- /.])(0[1-9]|1[012])\2(0[1-9]|[12]\d|3[01])",
            lambda m: f"{digits(m[1])}年{cardinal(m[3])}月{cardinal(m[4])}日",
        ),
        (f"{_CLOCK}[~-]{_CLOCK}", _time_range),
        (_CLOCK, _time),
        (rf"(?:{_NUMBER}|\.\d+)(?:{_MEASURES})~(?:{_NUMBER}|\.\d+)(?:{_MEASURES})", lambda m: m[0].replace("~", "至")),
        (r"(-?)(\d+(?:\.\d+)?)(°C|℃|度|摄氏度)", _temperature),
        ("|".join(_UNITS), lambda m: _UNITS[m[0]]),
    ]
]
_ARITHMETIC = re.compile(rf"({_OPERAND})([{re.escape(''.join(_OPERATORS))}])(?={_OPERAND})")
_AFTER_ARITHMETIC: list[_Rule] = [
    (re.compile(pattern), spoken)
    for pattern, spoken in [
        (f"[{''.join(_POWERS)}]+", lambda m: f"的{''.join(map(_POWERS.__getitem__, m[0]))}次方"),
        (r"(-?)(\d+)/(\d+)", lambda m: ("负" if m[1] else "") + f"{decimal(m[3])}分之{decimal(m[2])}"),
        (r"(-?)(\d+(?:\.\d+)?)%", lambda m: ("负" if m[1] else "") + f"百分之{decimal(m[2])}"),
        (r"(?<!\d)(?:\+?86 ?)?1(?:[38]\d|5[0-35-9]|7[678]|9[89])\d{8}(?!\d)", _phone),
        (r"(?<!\d)(?:0(?:10|2[1-3]|[3-9]\d{2})-?)?[1-9]\d{6,7}(?!\d)", _phone),
        (r"400-?\d{3}-?\d{4}", _phone),
        (
            rf"(?<![\d+\-×÷=])({_NUMBER})[-~]({_NUMBER})(?![\d+\-×÷=])",
            lambda m: f"{_signed(m[1])}到{_signed(m[2])}",
        ),
        (r"-(\d+)", lambda m: "负" + decimal(m[1])),
        (r"\d+(?:\.\d+){2,}", lambda m: "".join(DIGITS.get(c, "点") for c in m[0])),
        (r"-?\d+\.\d+|\.\d+", lambda m: _signed(m[0])),
        (rf"(\d+)([多余几+])?(?={_CLASSIFIERS})", _counted),
        (r"\d{3,}", lambda m: digits(m[0], phone=True)),
        (r"-?\d+", lambda m: _signed(m[0])),
    ]
]


@functools.cache
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


def simplify(text: str) -> str:
    """Traditional characters made simplified, in as many characters (乾隆 stays, 乾淨 becomes 干净)."""
    simple = _converter().convert(text)
    if len(simple) != len(text):
        simple = "".join(map(_converter().convert, text))
    return "".join(map(_one_simplified, text, simple))


def _one_simplified(character: str, simple: str) -> str:
    if character == "鍾":
        return "锺"  # as in names and in Cantonese 鍾意, not the clock 鐘
    # Some simplified forms lie outside the block that dictionaries cover.
    return simple if "\u4e00" <= simple <= "\u9fa5" else character


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, numbers and signs written out; Latin letters and punctuation stay."""
    text = _BRACKETS.sub("", text.replace(" ", ""))
    return [_written_out(part.strip()) for part in re.split(r"\n+", _SENTENCE_END.sub(r"\1\n", text).strip())]


def _written_out(sentence: str) -> str:
    sentence = western(simplify(sentence)).translate(_FULL_WIDTH)
    for pattern, spoken in _RULES:
        sentence = pattern.sub(spoken, sentence)
    sentence = _ARITHMETIC.sub(lambda m: m[1] + _OPERATORS[m[2]], sentence)
    for pattern, spoken in _AFTER_ARITHMETIC:
        sentence = pattern.sub(spoken, sentence)
    return _BRACKETS.sub("", sentence.translate(_LAST_SIGNS))
