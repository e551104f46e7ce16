"""Measures of a voice and the score: wrong words, likeness, pace and sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.speech import speech
from voicemill.evaluation.metrics import diverged, resampled_score, summed
from voicemill.evaluation.score import combined
from voicemill.evaluation.sentences import held_out_lines, sentences
from voicemill.evaluation.speaker import Clip, Speaker
from voicemill.evaluation.speaker_similarity import RATE, SpeakerLikeness


def line(errors: int = 1, words: int = 8, **other: Any) -> dict[str, Any]:
    """Return a line's row; the defaults are of an ordinary one."""
    phones = {"wrong_phones": errors, "phones": 4 * words, "spoken_seconds": 2.0}
    return {
        "errors": errors,
        "words": words,
        "similarity": 0.8,
        "second_similarity": None,
        "ovrl": 3.0,
        "causes": [],
        "seconds": 2.5,
        **phones,
        **other,
    }


def test_the_score_weighs_words_likeness_pace_and_sound() -> None:
    assert combined(0.1, 0.8) == pytest.approx(0.7)
    assert combined(3.0, 0.8) == pytest.approx(-0.2), "an error rate above 1 is as bad as 1"
    assert combined(0.1, 0.8, 1.0, 5.0) == pytest.approx(0.7), "the speaker's pace and perfect sound cost nothing"
    assert combined(0.1, 0.8, 2.0) == pytest.approx(combined(0.1, 0.8, 0.5)) == pytest.approx(0.45)
    assert combined(0.1, 0.8, 0.0) == pytest.approx(0.45), "saying nothing is as bad as the worst pace"
    assert combined(0.1, 0.8, 1.0, 1.0) == pytest.approx(0.45)
    np.testing.assert_allclose(combined(np.array([0.0, 0.5]), np.array([0.5, 0.5])), [0.5, 0.0])


def test_lines_are_pooled_and_come_with_intervals() -> None:
    rows = [line(0, 4, similarity=0.9), line(4, 16, similarity=0.7), line(0, 12), line(2, 8)]
    found = summed("s", "g", rows, speaker_pace=16.0)
    assert found.error_rate == pytest.approx(6 / 40)
    assert found.phone_error_rate == pytest.approx(6 / 160, abs=1e-4)
    assert (found.pace, found.pace_ratio) == (20.0, 1.25)
    assert found.error_rate_interval and found.error_rate_interval[0] < 0.15 < found.error_rate_interval[1]
    assert found.score_interval and found.score_interval[0] < found.score < found.score_interval[1]
    assert float(np.mean(resampled_score(rows, 16.0))) == pytest.approx(found.score, abs=0.02)
    assert found.second_similarity is None and found.second_similarity_interval is None
    assert found.failing == 0 and found.failing_interval and 0.4 < found.failing_interval[1] < 0.6
    failing = [line(causes=["run", "words"]), line(causes=["run"]), line(), line()]
    mixed = summed("s", "g", failing, None)
    assert mixed.failing == 0.5 and mixed.causes == {"run": 2, "words": 1}
    few = summed("s", "g", rows[:2], None)
    assert few.error_rate_interval is None and few.score_interval is None and few.pace_ratio is None


def test_a_line_without_speech_has_no_pace_but_its_errors_count() -> None:
    silent = line(8, 8, spoken_seconds=0.0)
    found = summed("s", "g", [line(0), line(0), silent], 16.0)
    assert found.pace == 16.0 and found.error_rate == pytest.approx(1 / 3, abs=1e-4)
    assert summed("s", "g", [silent] * 3, 16.0).pace_ratio == 0
    assert diverged("s", "g").score == -2


def test_lines_of_the_training_data_are_not_asked() -> None:
    first = sentences("en")[0]
    assert held_out_lines("en", 2, []) == list(sentences("en")[:2])
    assert held_out_lines("en", 2, [first.upper().replace(".", "!")]) == list(sentences("en")[1:3])


def test_a_speaker_is_more_like_themselves_than_like_a_shifted_voice(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", speech(4.0), 16_000)
    speaker = SpeakerLikeness([tmp_path / "a.wav"])
    other = speech(2.0, skip=4.0)
    same = speaker.similarity(other, 16_000)
    # Played a third faster, pitch and formants are another person's.
    shifted = speaker.similarity(other, 21_000)
    assert same > 0.75 > shifted + 0.05
    assert speaker.similarity(np.zeros(16_000), 16_000) == 0


def test_the_speakers_own_clips_give_pace_and_what_can_be_reached(tmp_path: Path) -> None:
    text = "And so, my fellow Americans, ask not what your country can do for you."
    rows = []
    for name, skip, flags in (("a.wav", 0.0, []), ("b.wav", 4.0, []), ("c.wav", 0.0, ["few words"])):
        soundfile.write(tmp_path / name, speech(4.0, skip=skip), RATE)
        rows.append({"clip": name, "seconds": 4.0, "text": text, "language": "EN", "flags": flags})

    def loudness(samples: np.ndarray, rate: int) -> np.ndarray:
        return np.array([1.0, float(np.abs(samples).max() * rate / RATE)])

    speaker = Speaker.of_clips(tmp_path, rows, loudness)
    own = speaker.own()
    assert own["clips"] == ["a.wav", "b.wav", "c.wav"]
    assert 0.6 < own["similarity"] <= 1 and 1 <= own["ovrl"] <= 5
    assert speaker.pace and 5 < speaker.pace < 40
    assert speaker.second and speaker.second.similarity(speech(1.0), RATE) > 0
    unread = Speaker([Clip(tmp_path / "a.wav", "", "en")])
    assert unread.pace is None and unread.own()["similarity"] is None
