"""How fast the text front-end is: load time of each language, then sentences per second on one core.

python -m benchmarks.text [--sentences 10000]
python -m benchmarks.text --worst [--characters 5000]

`--worst` gives each route texts on which a careless front-end takes time that grows with the square of the length: of a
text that is twice as long the seconds should be twice as many.

Seconds are those of the processor that it had, so that what else runs on the machine hardly counts.
"""

import itertools
import random
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from voicemill.text import phonemize

_WORDS = {
    "zh": [
        "今天",
        "我们",
        "去",
        "公园",
        "散步",
        "音乐",
        "老师",
        "说",
        "2024年3月15日",
        "三点半",
        "真不错",
        "一个人",
        "56.7%",
        "重庆",
    ],
    "en": [
        "the",
        "meeting",
        "lives",
        "recorded",
        "in",
        "1987",
        "for",
        "$19.99",
        "Schwarzenegger",
        "quickly",
        "NASA",
        "read",
    ],
    "ja": ["今日は", "とても", "いい", "天気", "ですね", "東京タワー", "に", "行きましょう", "3時30分", "コーヒーを"],
    "ko": ["오늘", "날씨가", "정말", "좋네요", "서울에", "살고", "있어요", "3월", "15일에", "만나요"],
    "yue": ["佢哋", "聽日", "會去", "海邊", "游水", "我唔知道", "真係", "好食", "25歲", "香港"],
}
_STOPS = {"zh": "。", "en": ".", "ja": "。", "ko": ".", "yue": "。"}


def sentence(language: str, chance: random.Random) -> str:
    """Six to twelve words of a language; sense is not needed for speed."""
    between = " " if language in {"en", "ko"} else ""
    words = chance.choices(_WORDS[language], k=chance.randint(6, 12))
    return between.join(words) + _STOPS[language]


def mixed(chance: random.Random) -> str:
    """Two sentences of different languages."""
    first, second = chance.sample(["zh", "en", "ja", "ko"], 2)
    return f"{sentence(first, chance)} {sentence(second, chance)}"


def seconds(texts: list[str], language: str) -> float:
    began = time.process_time()
    for text in texts:
        phonemize(text, language)
    return time.process_time() - began


WORST: dict[str, str] = {
    "digits": "7",
    "one emoji": "\U0001f600",
    "emoji": "".join(chr(0x1F300 + number) for number in range(256)),
    "opening brackets": "([{",
    "letters without a space": "etaoinshrdlucmfwypvbgkqjxz",
    "kana without a mark": "あいうえおかきくけこ",
    "Chinese without a mark": "今天我们去公园散步音乐老师说",
    "Hangul without a space": "가나다라마바사",
    "commas": ",",
    "thousands": "1,234,",
    "decimals": "1.",
    "spans": "1-",
    "fractions": "1/",
    "times": "1:",
    "sums": "1+1=",
    "percents and emoji": "5%\U0001f600",
    "capitals": "ABC ",
    "lone surrogates": "\ud83d",
    "five languages": "我love東京ラーメン안녕3",
}
"""Name of a worst case -> what it repeats."""


def worst_case(name: str, length: int) -> str:
    """Return a text of so many characters of a worst case."""
    part = WORST[name]
    return (part * (length // len(part) + 1))[:length]


def _print_worst(characters: int) -> None:
    sizes = [characters, 2 * characters, 4 * characters]
    table = Table("text", "route", *(f"{size} characters, s" for size in sizes))
    routes = [*_WORDS, "auto"]
    for route in routes:
        seconds(["今天 hello あい 가나 5%"], route)
    for name in WORST:
        for route in routes:
            table.add_row(name, route, *(f"{seconds([worst_case(name, size)], route):.2f}" for size in sizes))
    Console().print(table)


def main(
    sentences: Annotated[int, typer.Option(help="Sentences in all, shared out among the rows.")] = 10_000,
    worst: Annotated[bool, typer.Option("--worst", help="Time worst cases at three lengths instead.")] = False,
    characters: Annotated[int, typer.Option(help="Length of the shortest text of a worst case.")] = 5_000,
) -> None:
    """Print load times and speeds, or with --worst how the time grows with the length of a text."""
    if worst:
        _print_worst(characters)
        return
    chance = random.Random(1)
    table = Table("text", "route", "load s", "sentences", "s", "sentences/s")
    rows = [(name, name) for name in _WORDS] + [("mixed", "auto")]
    for name, route in rows:
        make = (lambda: mixed(chance)) if name == "mixed" else (lambda name=name: sentence(name, chance))
        texts = list(itertools.islice(iter(make, None), sentences // len(rows)))
        load = seconds([make()], route)
        taken = seconds(texts, route)
        table.add_row(name, route, f"{load:.2f}", str(len(texts)), f"{taken:.2f}", f"{len(texts) / taken:.0f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
