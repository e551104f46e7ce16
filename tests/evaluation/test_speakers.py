"""Speakers are counted by their embeddings: one is not split, two are distinguished, few or many windows alike."""

from __future__ import annotations

import numpy as np
import pytest

from voicemill.evaluation import speakers
from voicemill.evaluation.speakers import Windows, find_speakers

SIZE = 256


def voice(person: int) -> np.ndarray:
    """A direction; two of them have a cosine of 0.5, as different speakers have."""
    common, own = np.zeros(SIZE), np.zeros(SIZE)
    common[0], own[person] = 1, 1
    return (common + own) / np.sqrt(2)


def clip(*persons: int, seed: int, seconds: float = 3.6) -> Windows:
    """A window of each of some persons, each with a cosine of about 0.9 to that person's voice."""
    rng = np.random.default_rng(seed)
    rows = np.stack([voice(person) + rng.normal(size=SIZE) * 0.48 / np.sqrt(SIZE) for person in persons])
    return Windows((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), seconds)


def test_one_speaker_is_one() -> None:
    found = find_speakers({f"{number}.wav": clip(1, 1, seed=number) for number in range(40)})
    assert list(found.seconds) == [1]
    assert found.seconds[1] == pytest.approx(40 * 7.2)


def test_two_speakers_are_distinguished_and_the_one_with_more_speech_comes_first() -> None:
    clips = {f"a{number}.wav": clip(1, seed=number) for number in range(3)}
    clips |= {f"b{number}.wav": clip(2, 2, seed=100 + number) for number in range(5)}
    found = find_speakers(clips)
    assert [found.main(name) for name in clips] == [2, 2, 2, 1, 1, 1, 1, 1]
    assert found.seconds == pytest.approx({1: 36.0, 2: 10.8})


def test_a_clip_with_two_speakers_has_the_seconds_of_each() -> None:
    clips = {f"{number}.wav": clip(1, seed=number) for number in range(5)}
    clips |= {"theirs.wav": clip(2, seed=50), "both.wav": clip(1, 1, 2, seed=60)}
    found = find_speakers(clips)
    assert found.shares["both.wav"] == pytest.approx({1: 7.2, 2: 3.6})
    assert found.main("both.wav") == 1


def test_a_moment_that_sounds_like_nobody_is_not_a_person() -> None:
    clips = {f"{number}.wav": clip(1, seed=number) for number in range(5)}
    clips["cough.wav"] = clip(3, seed=9, seconds=1.0)
    assert list(find_speakers(clips).seconds) == [1]


def test_a_clip_without_speech_is_nobodys() -> None:
    silent = Windows(np.zeros((0, SIZE), np.float32), 0.0)
    found = find_speakers({"a.wav": clip(1, seed=1), "silent.wav": silent})
    assert found.main("silent.wav") == 0
    assert find_speakers({"silent.wav": silent}).seconds == {}


def test_of_many_windows_some_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = {f"{number:03d}.wav": clip(1 + (number % 3 == 0), seed=number) for number in range(60)}
    whole = find_speakers(clips)
    monkeypatch.setattr(speakers, "_MOST_CLUSTERED", 13)
    assert find_speakers(clips).shares == whole.shares


def test_the_speaker_most_like_a_voice_is_found() -> None:
    clips = {f"a{number}.wav": clip(1, seed=number) for number in range(9)}
    clips |= {f"b{number}.wav": clip(2, seed=100 + number) for number in range(4)}
    found = find_speakers(clips)
    assert found.like(voice(2))[0] == 2 and found.like(voice(2))[1] > 0.9
    assert found.like(voice(7))[1] < speakers.SAME_SPEAKER
