"""The table of separation counts what was missed, and what was separated for nothing."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.separation_gate import Row, chords, errors, mixed
from voicemill.audio.background import Background


def test_errors_are_counted_by_threshold() -> None:
    rows = [
        Row(True, [Background(-20.0, None), Background(-33.0, None)]),
        Row(False, [Background(-40.0, None), Background(-30.0, None)]),
        Row(None, [Background(-32.0, None)]),
    ]
    assert [errors(rows, threshold) for threshold in (-36, -32, -28)] == [(0, 1), (1, 1), (1, 0)]


@pytest.mark.parametrize("drums", [True, False])
def test_a_mixture_has_its_music_as_far_below_as_asked(drums: bool) -> None:
    rng = np.random.default_rng(0)
    voice = rng.standard_normal(48_000)
    music = mixed(voice, chords(32_000, rng, drums=drums), 20) - voice
    assert 20 * np.log10(voice.std() / music.std()) == pytest.approx(20, abs=0.2)
