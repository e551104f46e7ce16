"""Sentences that no training data contains, for hearing what a voice has learnt. Short, everyday, rich in sounds."""

from collections.abc import Iterable

from voicemill.text.scoring import plain

LINES = {
    "en": (
        "The quick boat sailed past the old lighthouse before noon.",
        "She asked whether the children had eaten their breakfast.",
        "A large vase of yellow flowers stood beside the window.",
        "Nothing in this village has changed for thirty years.",
        "Please measure the length of the garden path again.",
        "His voice was calm, though the storm outside was not.",
    ),
    "zh": (
        "今天早上的天气比昨天暖和多了。",
        "请把窗户旁边的那本书递给我。",
        "孩子们在公园里高兴地放风筝。",
        "这座小城的夜晚非常安静。",
        "我们打算下个月坐火车去北方旅行。",
        "他慢慢地喝完茶,然后站起来走了。",
    ),
    "ja": (
        "今朝はとても静かな雨が降っています。",
        "駅の前にある古い本屋に行きました。",
        "来週の会議は何時から始まりますか。",
    ),
    "ko": (
        "오늘 아침에는 하늘이 아주 맑습니다.",
        "창문 옆에 있는 책을 주세요.",
        "다음 주에 기차를 타고 여행을 갑니다.",
    ),
    "yue": (
        "今日嘅天氣真係好好。",
        "唔該你將本書遞俾我。",
        "我哋下個月會坐火車去旅行。",
    ),
}


def held_out_lines(language: str, count: int, training_texts: Iterable[str]) -> list[str]:
    """Sentences of a language that were not trained on.

    Args:
        language: `en`, `zh`, `ja`, `ko` or `yue`.
        count: How many at most.
        training_texts: Texts of the training data; a sentence whose words are among them is left out.
    """
    trained_on = {plain(text, language) for text in training_texts}
    return [line for line in LINES[language] if plain(line, language) not in trained_on][:count]
