"""Figures and signs that the reference misreads are said as a native reader says them."""

import pytest

from voicemill.text import phonemize

CASES = {
    "zh": [
        ("今天是2024/3/15", "今天是二零二四年三月十五日"),
        ("热线400-800-1234", "热线四零零,八零零,幺二三四"),
        ("手机138-1234-5678", "手机幺三八,幺二三四,五六七八"),
        ("2010-2020年", "二零一零到二零二零年"),
        ("二〇二三年", "二零二三年"),
        ("下午2点", "下午两点"),
        ("$5.5和€3", "五点五美元和三欧元"),
        ("￥5~10", "五到十元"),
        ("500mL水和1.5L牛奶", "五百毫升水和一点五升牛奶"),
        ("37.5°C和98.6°F", "三十七点五度和九十八点六华氏度"),
        ("9÷3=3", "九除以三等于三"),
        ("5G网络和A4纸", "五G网络和A四纸"),
        ("½杯水", "二分之一杯水"),
    ],
    "en": [
        ("It was 3/15/2024.", "It was March fifteenth, twenty twenty-four."),
        ("It was 25.12.2024.", "It was the twenty-fifth of December twenty twenty-four."),
        ("On 2024-03-15 we met.", "On March fifteenth, twenty twenty-four we met."),
        ("March 3, 2024", "March third, twenty twenty-four"),
        ("3 March 2024", "the third of March twenty twenty-four"),
        ("The 15th of May, 42 people", "the fifteenth of May, forty-two people"),
        ("In May, 42 people paid.", "In May, forty-two people paid."),
        ("at 14:05 sharp", "at fourteen oh five sharp"),
        ("2 1/2 cups and ½ spoon", "two and a half cups and one half spoon"),
        ("Call (555) 123-4567.", "Call five five five, one two three, four five six seven."),
        ("3-5 days in 2010-2020", "three to five days in twenty ten to twenty twenty"),
        ("$1,234.56", "one thousand two hundred thirty-four dollars and fifty-six cents"),
        ("$3.5bn or £20k", "three point five billion dollars or twenty thousand pounds"),
        ("100 m² at 5°", "one hundred square meters at five degrees"),
        ("Dr. Lee and Mr. Poe v. No. 5", "Doctor Lee and Mister Poe v. number five"),
        ("He lives on Main St.", "He lives on Main Street."),
        ("Henry VIII in World War II", "Henry the eighth in World War two"),
        ("NASA's CEOs use Wi-Fi", "Nasa's C E O's use wifi"),
        ("the dogs' 'own' bowls", "the dogs own bowls"),
        ("USB-C and/or 24/7", "U S B C and or twenty-four seven"),
        ("less than ≤3, ~5, ±2", "less than at most three, about five, plus or minus two"),
    ],
    "ja": [
        ("消費税は10%です", "消費税は10パーセントです"),
        ("15:30に会う", "15時30分に会う"),
        ("3/15に会う", "3月15日に会う"),
        ("2024/03/15", "2024年3月15日"),
        ("半分の1/3", "半分の3分の1"),
        ("3:2で勝った", "3タイ2で勝った"),
        ("電話は03-1234-5678", "電話はゼロサンのイチニーサンヨンのゴーロクナナハチ"),
        ("¥1,500と$5", "1500円と5ドル"),
        ("3.14", "3点一四"),
        ("-5℃、3〜5日", "マイナス5度、3から5日"),
        ("10-20人", "10から20人"),
        ("2×3=6", "2かける3イコール6"),
        ("①ｶﾀｶﾅ㈱", "1カタカナ株"),
    ],
    "ko": [
        ("할인율은 30%입니다", "할인율은 삼십퍼센트입니다"),
        ("15:30에", "십오시 삼십분에"),
        ("3/15", "삼월 십오일"),
        ("2024.03.15", "이천이십사년 삼월 십오일"),
        ("1/2", "이분의 일"),
        ("3:2로", "삼 대 이로"),
        ("₩10,000와 $5", "만원와 오 달러"),
        ("180cm, 75kg", "백팔십 센티미터, 칠십오 킬로그램"),
        ("-5℃", "영하 오도"),
        ("3.14", "삼점일사"),
        ("1,234", "천이백삼십사"),
        ("120km/h", "시속 백이십 킬로미터"),
        ("2명이 1시간", "두 명이 한 시간"),
        ("3~5일", "삼에서 오일"),
    ],
    "yue": [
        ("$50", "五十元"),
        ("100蚊", "一百蚊"),
        ("5G手機", "五G手機"),
        ("2024/3/15", "二零二四年三月十五日"),
    ],
}


@pytest.mark.parametrize(
    ("language", "written", "said"), [(language, *case) for language, cases in CASES.items() for case in cases]
)
def test_it_is_said_right_and_nothing_is_lost(language: str, written: str, said: str):
    phonemes = phonemize(written, language, lead_in=False)
    assert phonemes.norm_text == said
    assert [silent for silent in phonemes.unpronounced if silent.character != "/"] == []


@pytest.mark.parametrize(
    ("sentence", "sound"),
    [
        ("The wind blows.", "W IH1 N D"),
        ("Wind the clock.", "W AY1 N D"),
        ("A tear fell.", "T IH1 R"),
        ("They live here.", "L IH1 V"),
        ("It is a live show.", "L AY1 V"),
        ("The wound heals.", "W UW1 N D"),
        ("I object to it.", "AH0 B JH EH1 K T"),
        ("An object fell.", "AA1 B JH EH0 K T"),
    ],
)
def test_homographs_that_the_package_s_list_lacks(sentence: str, sound: str):
    assert sound in " ".join(phonemize(sentence, "en").phones)
