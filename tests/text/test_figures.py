"""Figures in Chinese: every row of the tables says what its example is read as, and nothing of a figure vanishes."""

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemill.text import phonemize
from voicemill.text.mandarin.figures import Dialect, scan, tables
from voicemill.text.silent import wants_sound

MANDARIN = Dialect()
_ROWS = [(name, row) for name in ("units", "money", "signs", "contexts") for row in tables.rows(name)]


def read(text: str, dialect: Dialect = MANDARIN) -> str:
    spoken, at = "", 0
    for figure in scan(text, dialect):
        spoken += text[at : figure.start] + figure.spoken
        at = figure.end
    return (spoken + text[at:]).replace(" ", "")


@pytest.mark.parametrize(("name", "row"), _ROWS, ids=[f"{name} {row['example']}" for name, row in _ROWS])
def test_a_row_of_a_table_is_read_as_it_says(name: str, row: dict[str, str]):
    assert read(row["example"]) == row["spoken"]


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        # two
        ("2月", "二月"),
        ("4月2日", "四月二日"),
        ("2:15", "两点十五分"),
        ("2公斤", "两公斤"),
        ("2倍", "两倍"),
        ("12个", "十二个"),
        ("2-3个", "两到三个"),
        ("第2个", "第二个"),
        ("2万2千", "两万两千"),
        # quantities and codes
        ("约198公里", "约一百九十八公里"),
        ("满300减50", "满三百减五十"),
        ("从100到200", "从一百到二百"),
        ("1,234", "一千二百三十四"),
        ("人口1400000000", "人口十四亿"),
        ("13812345678", "幺三八幺二三四五六七八"),
        ("A380", "A三八零"),
        ("DDG-1000", "DDG一千"),
        # years
        ("100年", "一百年"),
        ("2024年", "二零二四年"),
        ("98年", "九八年"),
        ("10年前", "十年前"),
        ("公元618年", "公元六一八年"),
        ("00后", "零零后"),
        ("80年代", "八十年代"),
        ("2000年前", "两千年前"),
        # the dash
        ("3月1日-5日", "三月一日到五日"),
        ("3.5%-4.2%", "百分之三点五到百分之四点二"),
        ("2-1获胜", "二比一获胜"),
        ("中国-东盟", "中国-东盟"),
        ("歼-20", "歼二十"),
        ("3-202房间", "三杠二零二房间"),
        ("5-3=2", "五减三等于二"),
        ("-1.5", "负一点五"),
        ("气温-5", "气温负五"),
        ("14:00—16:00", "十四点到十六点"),
        ("2010-2020年", "二零一零到二零二零年"),
        ("3.5-4.2", "三点五到四点二"),
        # signs and forms
        ("5>3", "五大于三"),
        ("1∶100", "一比一百"),
        ("x²+y²=z²", "x平方加y平方等于z平方"),
        ("10⁵", "十的五次方"),
        ("Ⅱ期", "二期"),
        ("㈠", "一"),
        ("5㎡", "五平方米"),
        ("５％", "百分之五"),
        ("±2", "正负二"),
        ("½杯", "二分之一杯"),
        ("90后", "九零后"),
        ("50w", "五十万"),
        ("6·18大促", "六一八大促"),
        ("9.11", "九点一一"),
        ("9.11事件", "九一一事件"),
        ("USB3.0", "USB三点零"),
        ("GPT-4o", "GPT四o"),
        ("HK$100", "一百港元"),
        ("100mg", "一百毫克"),
        ("5 km", "五千米"),
        ("C++", "C加加"),
        ("H7N9", "H七N九"),
        ("1/3", "三分之一"),
        ("3/15", "三月十五日"),
        ("2 1/2", "二又二分之一"),
        ("192.168.1.1", "一九二点一六八点一点一"),
    ],
)
def test_figures_are_read_by_what_stands_beside_them(written: str, spoken: str):
    assert read(written) == spoken


def test_in_cantonese_one_stays_one_and_the_dollar_is_hong_kong_s():
    assert read("852-91234567", Dialect(one="一", dollar="元")) == "八五二，九一二三四五六七"
    assert phonemize("佢2個月冇返，100蚊同$50", "yue").norm_text == "佢兩個月冇返,一百蚊同五十元"


_UNITS = st.sampled_from([*tables.units(), "%", "元", "个", "GB", "w", "万", "", "%", "km/h"])
_NUMBERS = st.one_of(
    st.from_regex(r"[1-9][0-9]{0,8}", fullmatch=True),
    st.from_regex(r"-?[1-9][0-9]?\.[0-9]{1,3}", fullmatch=True),
    st.from_regex(r"[1-9][0-9]{0,2},[0-9]{3}", fullmatch=True),
    st.from_regex(r"[1-9][0-9]?[-~:/+×]{1}[1-9][0-9]?", fullmatch=True),
    st.from_regex(r"[$€￥£][1-9][0-9]{0,3}", fullmatch=True),
)


_OTHERS = {"Nd": [str(digit) for digit in range(10)], "Ll": ["q"], "Lu": ["Q"]}


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" and c not in ".," else c for c in text)


@settings(max_examples=150, deadline=None)
@given(
    number=_NUMBERS,
    space=st.sampled_from(["", " "]),
    unit=_UNITS,
    before=st.sampled_from(["", "共", "约为", "买了", "他说："]),
    after=st.sampled_from(["", "。", "左右", "的水，"]),
    wide=st.booleans(),
    route=st.sampled_from(["zh", "yue", "auto", "all_zh"]),
)
def test_every_letter_digit_and_sign_is_heard_or_reported(
    number: str, space: str, unit: str, before: str, after: str, wide: bool, route: str
):
    """Heard is what changes the sound when it is gone, or, for a digit or letter, when it is another one."""
    figure = number + space + unit
    text = before + (_wide(figure) if wide else figure) + after
    phonemes = phonemize(text, route, lead_in=False)
    silent = {sign.position for sign in phonemes.unpronounced}
    for at, character in enumerate(text):
        if not wants_sound(character) or at in silent:
            continue
        others = _OTHERS.get(unicodedata.category(character), [""])
        sounds = (phonemize(text[:at] + other + text[at + 1 :], route, lead_in=False).phones for other in others)
        assert any(sound != phonemes.phones for sound in sounds), f"{character!r} at {at} of {text!r} is not heard"


def test_a_long_run_of_digits_takes_linear_time():
    began = time.process_time()
    read("7" * 50_000)
    read("1,234 " * 10_000)
    read("1-" * 20_000)
    assert time.process_time() - began < 8
