import pytest
from pypinyin.contrib.tone_convert import to_finals_tone3, to_initials

from voicemill.text import mandarin, phonemize
from voicemill.text.mandarin import polyphones, syllables
from voicemill.text.mandarin.numbers import cardinal, decimal


@pytest.mark.parametrize(
    ("figures", "spoken"),
    [("0", "零"), ("10", "十"), ("12", "十二"), ("105", "一百零五"), ("2050", "二千零五十"), ("10012", "一万零一十二"),
     ("100000000", "一亿"), ("1200000000000", "一万二千亿")],
)  # fmt: skip
def test_whole_numbers(figures: str, spoken: str):
    assert cardinal(figures) == spoken


def test_of_zeros_at_the_end_of_a_fraction_one_is_said():
    assert decimal("128.500") == "一百二十八点五零"


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("2024年3月15日", "二零二四年三月十五日"),
        ("2024-03-15", "二零二四年三月十五日"),
        ("下午3:05", "下午三点零五分"),
        ("-5℃", "零下五度"),
        ("占56.7%", "占百分之五十六点七"),
        ("1/3的人", "三分之一的人"),
        ("电话13812345678", "电话幺三八幺二三四五六七八"),
        ("2个人跑了35.6km", "两个人跑了三十五点六千米"),
        ("40~50分钟", "四十到五十分钟"),
        ("5×6=30", "五乘六等于三十"),
        ("３只貓", "三只猫"),
        ("乾隆喝乾杯", "乾隆喝干杯"),
    ],
)
def test_figures_are_written_out(written: str, spoken: str):
    assert mandarin.normalize(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("第2名", "第二名"),
        ("共1,250名", "共一千二百五十名"),
        ("8:30-12:45", "八点半至十二点四十五分"),
        ("比分3:2", "比分三比二"),
        ("010-62345678", "零幺零,六二三四五六七八"),
        ("100-200元", "一百到二百元"),
        ("5mm厚", "五毫米厚"),
        ("Tom说", "说"),
        ("￥12.50", "十二点五零元"),
    ],
)
def test_what_the_reference_misreads_is_read(written: str, spoken: str):
    assert mandarin.write_out(written, mandarin.figures(written)).text == spoken


def tones(text: str) -> str:
    return "".join(phone[-1] for phone in mandarin.phonemize(text).phones if phone[-1].isdigit())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("一个人", "252"),
        ("一天", "41"),
        ("第一", "41"),
        ("不怕", "24"),
        ("你好", "23"),
        ("看一看", "454"),
        ("豆腐", "45"),
        ("妈妈", "15"),
    ],
)
def test_tones_of_connected_speech(text: str, expected: str):
    assert tones(text) == expected


def test_polyphones_are_read_by_the_phrase():
    assert mandarin.phonemize("银行").phones == ["y", "in2", "h", "ang2"]
    assert mandarin.phonemize("行走").phones == ["x", "ing2", "z", "ou3"]


def test_er_takes_the_tone_that_it_colours():
    assert mandarin.phonemize("小院儿").phones[-1] == "er4"
    assert mandarin.phonemize("女儿").phones[-1] == "er2"


@pytest.mark.parametrize(
    ("initial", "final", "phones"),
    [("zh", "i", ["zh", "ir1"]), ("z", "i", ["z", "i01"]), ("", "ian", ["y", "En1"]), ("", "van", ["y", "van1"]),
     ("", "uei", ["w", "ei1"]), ("l", "uei", ["l", "ui1"]), ("", "er", ["EE", "er1"]), ("", "a", ["AA", "a1"])],
)  # fmt: skip
def test_syllables_are_spelled_as_the_weights_learned_them(initial: str, final: str, phones: list[str]):
    assert syllables.phones(initial, final, "1") == phones


def test_a_character_without_reading_is_named():
    spoken = mandarin.phonemize("\u9fa5好")
    assert spoken.word2ph is not None and len(spoken.word2ph) == 2


@pytest.mark.parametrize("name", ["polyphones", "surnames"])
def test_the_example_of_a_polyphone_sounds_as_its_row_says(name: str):
    for row in polyphones.table(name):
        segment = phonemize(row["example"], "zh", lead_in=False).segments[0]
        reading = row["reading"]
        final = to_finals_tone3(reading, neutral_tone_with_five=True)
        wanted = syllables.phones(to_initials(reading), final[:-1], final[-1])
        at, heard = 0, []
        for character, count in zip(segment.norm_text, segment.word2ph or [], strict=True):
            heard += [segment.phones[at : at + count]] if character == row["character"] else []
            at += count
        assert wanted in heard, row["example"]
