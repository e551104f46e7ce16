"""Measures of a voice: wrong words, likeness, and how few pairs are enough to find the best."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.speech import speech
from voicemill.core.errors import InputError
from voicemill.evaluation.metrics import Measure, as_good, search, weights_in
from voicemill.evaluation.sentences import held_out_lines, sentences
from voicemill.evaluation.speaker_similarity import SpeakerLikeness


def test_n_plus_m_less_one_pairs_find_the_best() -> None:
    likeness = {"sovits_e2": 0.6, "sovits_e4": 0.9, "sovits_e10": 0.8}
    errors = {"gpt_e5": 0.1, "gpt_e10": 0.3, "gpt_e15": 0.2}
    asked: list[tuple[str, str]] = []

    def measure(sovits: Path, gpt: Path) -> Measure:
        asked.append((sovits.name, gpt.name))
        return Measure(sovits.name, gpt.name, errors[gpt.name], likeness[sovits.name], 1.0)

    best, measured = search([Path(name) for name in likeness], [Path(name) for name in sorted(errors)], measure)
    assert (best.sovits, best.gpt) == ("sovits_e4", "gpt_e5")
    assert len(measured) == len(asked) == 3 + 3 - 1
    assert asked[:3] == [(name, "gpt_e15") for name in ("sovits_e2", "sovits_e4", "sovits_e10")]


def test_of_equals_the_later_epochs_win() -> None:
    def measure(sovits: Path, gpt: Path) -> Measure:
        return Measure(sovits.name, gpt.name, 1.7, 0.5, 1.0)

    paths = [[Path(f"{kind}_e{epoch}_s1") for epoch in (4, 8)] for kind in ("sovits", "gpt")]
    best, _ = search(*paths, measure)
    assert (best.sovits, best.gpt) == ("sovits_e8_s1", "gpt_e8_s1")
    assert best.score == -0.5, "an error rate above 1 is as bad as 1"


def test_pairs_within_the_interval_of_the_best_are_named() -> None:
    best = Measure("sovits_e8", "gpt_e8", 0.1, 0.9, 1.0, score_interval=(0.6, 0.95))
    near = Measure("sovits_e4", "gpt_e8", 0.2, 0.85, 1.0)
    far = Measure("sovits_e2", "gpt_e8", 0.5, 0.8, 1.0)
    assert as_good(best, [best, near, far]) == ["sovits_e4+gpt_e8"]
    assert as_good(near, [best, near, far]) == []


def test_a_folder_without_weights_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weights"):
        weights_in(tmp_path)


def test_lines_of_the_training_data_are_not_asked() -> None:
    first = sentences("en")[0]
    assert held_out_lines("en", 2, []) == list(sentences("en")[:2])
    assert held_out_lines("en", 2, [first.upper().replace(".", "!")]) == list(sentences("en")[1:3])


def test_a_speaker_is_more_like_themselves_than_like_a_shifted_voice(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", speech(4.0), 16_000)
    speaker = SpeakerLikeness.of_clips(tmp_path, [{"clip": "a.wav", "seconds": 4.0, "flags": []}])
    other = speech(2.0, skip=4.0)
    same = speaker.similarity(other, 16_000)
    # Played a third faster, pitch and formants are another person's.
    shifted = speaker.similarity(other, 21_000)
    assert same > 0.75 > shifted + 0.05
    assert speaker.similarity(np.zeros(16_000), 16_000) == 0
