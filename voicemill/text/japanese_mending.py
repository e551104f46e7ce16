"""Put right, before Open JTalk reads, the figures and signs that it would drop or misread."""

import re
import unicodedata
from re import Match

_NAMES = ("ゼロ", "イチ", "ニー", "サン", "ヨン", "ゴー", "ロク", "ナナ", "ハチ", "キュー")
_MONEY = {"¥": "円", "￥": "円", "$": "ドル", "€": "ユーロ", "£": "ポンド", "₩": "ウォン"}
_SIGNS = {"+": "たす", "×": "かける", "÷": "わる", "=": "は"}
_NUMBER = r"\d+(?:\.\d+)?"


def _spelled(number: str) -> str:
    return "".join(_NAMES[int(digit)] for digit in number)


def _telephone(match: Match[str]) -> str:
    return "、".join(map(_spelled, match[0].split("-")))


def _day(match: Match[str]) -> str:
    year, month, day = match["year"], int(match["month"]), int(match["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    return (f"{year}年" if year else "") + f"{month}月{day}日"


def _over(match: Match[str]) -> str:
    above, below = int(match[1]), int(match[2])
    if above < below <= 10:
        return f"{below}分の{above}"
    return f"{above}月{below}日" if 1 <= above <= 12 and 1 <= below <= 31 else f"{below}分の{above}"


def _clock(match: Match[str]) -> str:
    return f"{int(match[1])}時" + (f"{int(match[2])}分" if int(match[2]) else "")


_RULES = [
    (re.compile(pattern), mended)
    for pattern, mended in [
        # signs that stand for several letters: ① ㈱ ㎏
        ("[\u2460-\u24ff\u3200-\u33ff]", lambda m: unicodedata.normalize("NFKC", m[0]).strip("()")),
        (r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])", lambda m: m[0].replace(",", "")),
        (r"(?<![\d-])0\d{1,4}-\d{1,4}-\d{3,4}(?![\d-])", _telephone),
        (r"(?<!\d)(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})(?!\d)", _day),
        (r"(?<![\d/])(\d{1,2})/(\d{1,2})(?![\d/])", _over),
        (r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?![\d:])", _clock),
        (r"(?<![\d:])(\d{1,3}):(\d{1,3})(?![\d:])", r"\1対\2"),
        (rf"([{''.join(_MONEY)}])\s?({_NUMBER}[万億]?)", lambda m: m[2] + _MONEY[m[1]]),
        (rf"(?<![\d.])({_NUMBER})\s?[〜～~]\s?(?={_NUMBER})", r"\1から"),
        (r"(?<![\d.-])(\d+)-(\d+)(?=[人個年月日時分秒本枚回歳台匹冊階度円%％])", r"\1から\2"),
        (r"(?<![0-9A-Za-z])[-−](?=\d)", "マイナス"),
        (r"(\d)\s?(?:℃|°C)", r"\1度"),
        (r"(\d)\s?km/h(?![A-Za-z])", r"\1キロメートル毎時"),
        (r"(\d)\s?[%％]", r"\1パーセント"),
        (rf"(?<=\d)\s?([{re.escape(''.join(_SIGNS))}])\s?(?=\d)", lambda m: _SIGNS[m[1]]),
        (r"(?<![\d.])(\d+)\.(\d+)(?![\d.])", lambda m: f"{m[1]}テン{_spelled(m[2])}"),
    ]
]


def mend(text: str) -> str:
    """The text with what would be misread written otherwise."""
    for pattern, mended in _RULES:
        text = pattern.sub(mended, text)
    return text
