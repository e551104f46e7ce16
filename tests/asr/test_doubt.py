"""How doubtful a transcript is, and what a second opinion adds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.asr.sherpa_models import make_sensevoice
from tests.speech import speech
from voicemill.asr.doubt import doubt, odd_paces, pace
from voicemill.asr.second_opinion import again, disagreement, disputed_words, second_opinion
from voicemill.asr.transcript import Rehearing, Transcript

RATE = 16_000


class FakeRecognizer:
    """Hears the number of samples."""

    def __init__(self, name: str = "whisper", trusted_above: float = 0.55) -> None:
        self.name, self.trusted_above = name, trusted_above

    def transcribe(self, samples_16k: np.ndarray) -> Transcript:
        return Transcript(str(len(samples_16k)), "en", 0.9)

    def transcribe_all(self, clips_16k: Sequence[np.ndarray]) -> list[Transcript]:
        return [self.transcribe(clip) for clip in clips_16k]


def test_what_is_said_alike_does_not_disagree() -> None:
    assert disagreement("In the fifteenth century, forty-two of them.", ["in the 15th century 42 of them"], "en") == 0
    assert disagreement("就是根据经济体", ["就是根據經濟體。"], "zh") == 0


def test_a_wrong_word_disagrees_by_its_share_and_another_text_wholly() -> None:
    one = disagreement("the cat sat on the mat", ["the cat sat on the hat"], "en")
    assert 0 < one < 0.2
    assert disagreement("the cat sat on the mat", ["printing differs from most arts"], "en") > 0.7
    assert disagreement("the cat", [""], "en") == 1.0
    assert disagreement("the cat", ["the cat and then a great deal more of it"], "en") == 1.0
    assert disagreement("the cat", ["the cat", ""], "en") == 0.5


def test_each_part_alone_makes_a_transcript_doubtful() -> None:
    assert doubt(0.0, 1.0, 0.0) == 0.0
    parts = [doubt(1.0, 1.0, 0.0), doubt(0.0, 0.4, 0.0), doubt(0.0, 1.0, 1.0), doubt(0.0, 1.0, 0.0, ["loop"])]
    assert parts == pytest.approx([0.5, 0.3, 0.5, 0.9])
    assert doubt(0.0, 1.0, 0.0, [], 0.0001) == pytest.approx(0.99)
    assert max(parts) < doubt(1.0, 0.4, 1.0, ["loop"], 0.0001) < 1
    assert doubt(0.0, 1.0, 0.0, [], 0.0) < 1


def test_more_disputed_words_are_more_doubtful() -> None:
    text = "the cat sat on the mat"
    counts = [disputed_words(text, others, "en") for others in ([text], [text, "the cat sat on a hat"], ["a dog"], [])]
    assert counts == [0, 1, 6, 0]
    assert doubt(1.0, 1.0, 0.0) < doubt(2.0, 1.0, 0.0) < doubt(20.0, 1.0, 0.0) < 1


@pytest.mark.parametrize("flag", ["low-confidence", "disagreement", "unlikely-word", "cut-end"])
def test_a_flag_that_says_the_same_again_adds_nothing(flag: str) -> None:
    assert doubt(0.3, 0.4, 0.0, [flag]) == doubt(0.3, 0.4, 0.0)


def test_a_pace_is_odd_beside_the_speakers_own() -> None:
    assert odd_paces([12.0, 13.0, 11.0, 12.0, 6.0, 24.0, 0.0]) == pytest.approx([0, 0, 0, 0, 1, 1, 1])
    assert 0 < odd_paces([12.0, 12.0, 12.0, 18.0])[-1] < 1
    assert odd_paces([]) == [] and odd_paces([0.0]) == [0.0]


def test_the_pace_is_in_phones_a_second() -> None:
    assert pace("cat", "en", 1.0) == 3
    assert pace("cat", "en", 0.0) == 0


class FakeWhisper(FakeRecognizer):
    """One that can guess."""

    def hear_again(
        self, clips_16k: Sequence[np.ndarray], languages: Sequence[str], texts: Sequence[str]
    ) -> list[Rehearing]:
        return [Rehearing([language, "guess"], 0.5) for language in languages]


CLIP = np.zeros(RATE, np.float32)


def test_a_recogniser_that_can_guess_does_and_others_hear_slower_sound() -> None:
    assert again(FakeWhisper())([CLIP], ["en"], ["hi"]) == [Rehearing(["en", "guess"], 0.5)]
    assert again(FakeRecognizer())([CLIP], ["en"], ["hi"]) == [Rehearing([str(round(RATE * 1.15))])]


def test_auto_asks_a_real_recogniser_again_and_no_other(tmp_path: Path) -> None:
    hears = second_opinion("auto", FakeWhisper(), tmp_path, "en")
    assert hears is not None and hears([CLIP], ["en"], ["hi"]) == [Rehearing(["en", "guess"], 0.5)]
    assert second_opinion("auto", FakeWhisper(trusted_above=2.0), tmp_path, "zh") is None
    assert second_opinion("auto", FakeRecognizer("pocketsphinx", 0.7), tmp_path, "en") is None
    assert second_opinion("same", FakeRecognizer("pocketsphinx", 0.7), tmp_path, "en") is not None
    assert second_opinion("none", FakeWhisper(), tmp_path, "en") is None


def test_another_recogniser_can_be_asked(tmp_path: Path) -> None:
    hears = second_opinion("pocketsphinx", FakeWhisper(), tmp_path, "en")
    assert hears is not None and hears([CLIP], ["en"], ["hi"]) == [Rehearing([""])]


def test_labels_are_checked_by_a_real_recogniser_only_unless_one_is_named(tmp_path: Path) -> None:
    assert second_opinion("auto", None, tmp_path, "en") is None
    assert second_opinion("auto", None, tmp_path, "zh") is None
    make_sensevoice(tmp_path / "sensevoice")
    hears = second_opinion("auto", None, tmp_path, "en")
    assert hears is not None
    assert hears([speech(1.0)], ["en"], ["hi"]) == [Rehearing(["the morning train the morning train"])]
