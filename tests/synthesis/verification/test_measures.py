"""Which rules a line breaks, by what was heard and by its samples."""

import numpy as np
import pytest

from voicemill.synthesis.verification.measures import Asked, Finding, Sound, examine
from voicemill.synthesis.verification.rules import RULES, Cause

RATE = 16_000
LINE = "The engineer repaired the old bridge, and the villagers crossed the river again."
CLIP = "Nobody cried because there would be another winter"


def heard(text: str, asked: str = LINE, *, seconds: float = 4.0, language: str = "en") -> Finding:
    found = Sound(is_finite=True, seconds=seconds)
    return examine(Asked(asked, language, CLIP if language == "en" else ""), text, found, RULES["whisper"])


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", Cause.SILENT),
        ("The engineer repaired the old bridge.", Cause.ENDING),
        ("And the villagers crossed the river again.", Cause.BEGINNING),
        ("The engineer repaired the villagers, crossed the river again.", Cause.RUN),
        (f"{LINE} And so it was that they", Cause.BABBLE),
        (f"be another winter. {LINE}", Cause.REFERENCE),
        ("The engineer repaired the old old old old old old old old bridge, and the villagers crossed.", Cause.LOOP),
        ("A completely different sentence about cooking rice and beans on Sunday.", Cause.WORDS),
    ],
)
def test_what_is_wrong_with_a_line_has_a_name(text: str, cause: Cause) -> None:
    assert cause in heard(text).causes


def test_what_is_spelt_otherwise_or_slightly_misheard_passes() -> None:
    assert heard("the engineer repaired the old bridge and the villagers crossed the river again").passes
    assert heard("The engineer repaired the old ridge and the villagers crossed the river again").passes
    assert heard("It costs $15 in March.", "It costs fifteen dollars in march", seconds=2.5).passes
    assert heard("他門都到了學校", "他们都到了学校。", language="zh", seconds=1.6).passes


def test_words_of_the_clip_that_stand_in_the_line_are_no_leak() -> None:
    line = f"{LINE} There would be another winter, they said."
    assert heard(line, line, seconds=6).passes


def test_a_short_line_fails_only_when_another_was_spoken_or_it_goes_on() -> None:
    assert heard("Turned left", "Turn left.", seconds=0.7).passes
    assert Cause.WORDS in heard("Happy birthday", "Turn left.", seconds=0.8).causes
    assert Cause.BABBLE in heard("Turn left and then we went home", "Turn left.", seconds=2.0).causes
    assert Cause.PACE in heard("Turn left", "Turn left.", seconds=6.0).causes


@pytest.mark.parametrize(
    ("sound", "cause"),
    [
        ({"seconds": 14.0}, Cause.PACE),
        ({"seconds": 1.5}, Cause.PACE),
        ({"pause": 2.0}, Cause.PAUSE),
        ({"clipped": 0.05}, Cause.CLIPPING),
    ],
)
def test_the_sound_counts_where_all_words_are_there(sound: dict[str, float], cause: Cause) -> None:
    found = Sound(is_finite=True, **{"seconds": 4.0, **sound})
    assert examine(Asked(LINE, "en"), LINE, found, RULES["whisper"]).causes == (cause,)


def test_a_line_that_is_asked_to_be_slow_is_not_too_slow() -> None:
    sound = Sound(is_finite=True, seconds=14.0, pause=1.4)
    assert examine(Asked(LINE, "en", speed=0.3, pause=0.5), LINE, sound, RULES["whisper"]).passes


def test_samples_that_are_not_finite_and_pieces_that_never_ended_fail() -> None:
    assert not Sound.of(np.array([0.1, np.nan], np.float32), RATE).is_finite
    assert examine(Asked(LINE, "en"), "", Sound(is_finite=False), RULES["whisper"]).causes == (Cause.NOT_FINITE,)
    found = examine(Asked(LINE, "en"), LINE, Sound(is_finite=True, seconds=4), RULES["whisper"], cut_off=1)
    assert found.causes == (Cause.CUT_OFF,)


def test_sound_is_measured_between_its_first_and_last_loud_frame() -> None:
    tone = np.sin(np.arange(RATE) * 0.1).astype(np.float32) * 0.5
    quiet = np.zeros(RATE, np.float32)
    found = Sound.of(np.concatenate([quiet, tone, quiet, quiet, tone, quiet]), RATE)
    assert (found.seconds, found.pause, found.clipped) == (pytest.approx(4, abs=0.05), pytest.approx(2, abs=0.05), 0)
    assert Sound.of(np.concatenate([tone, np.ones(RATE, np.float32)]), RATE).clipped == pytest.approx(0.5)
    assert Sound.of(quiet, RATE).seconds == Sound.of(quiet[:0], RATE).seconds == 0
