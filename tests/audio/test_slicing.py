import numpy as np
import pytest

from tests.speech import speech
from voicemill.audio import slicing
from voicemill.audio.resampling import resample
from voicemill.core.errors import UsageError


def phrases(*seconds: float, pause: float = 1.0) -> np.ndarray:
    """Phrases of speech at 32 kHz with silence between and around them."""
    silence = np.zeros(int(pause * slicing.RATE), np.float32)
    parts = [silence]
    for position, length in enumerate(seconds):
        parts += [resample(speech(length, skip=position), 16_000, slicing.RATE), silence]
    return np.concatenate(parts)


def test_clips_and_what_is_left_out_cover_the_recording_to_the_sample():
    recording = np.concatenate([phrases(5, 6, 0.2), phrases(4.5, 20, pause=3)])
    position = 0
    for span, _ in slicing.cut(recording, 15):
        assert span.start == position and span.end > span.start
        position = span.end
    assert position == len(recording)


def test_cuts_lie_in_the_pauses():
    recording = phrases(5, 6, 5)
    clips = [span for span, reason in slicing.cut(recording, 15) if reason is None]
    assert len(clips) >= 3
    for edge in (edge for clip in clips for edge in (clip.start, clip.end)):
        around = recording[max(0, edge - 640) : edge + 640]
        assert np.sqrt(np.mean(around**2)) < 10 ** (-34 / 20)
    spoken = sum(len(clip) for clip in clips) / slicing.RATE
    assert 16 <= spoken <= 16 + 6 * 0.5 + 0.1


@pytest.mark.parametrize("longest", [2, 6, 15, 20])
def test_no_clip_is_longer_than_the_limit_and_none_is_a_splinter(longest):
    recording = resample(speech(47), 16_000, slicing.RATE)
    pieces = slicing.limit_length(recording, [slicing.Span(0, len(recording) + 320)], longest * slicing.RATE)
    lengths = [len(piece) / slicing.RATE for piece in pieces]
    assert max(lengths) <= longest
    assert min(lengths) >= longest / 3
    assert sum(lengths) == pytest.approx(47)
    assert all(len(span) <= longest * slicing.RATE for span, _ in slicing.cut(recording, longest))


def test_a_phrase_that_is_too_long_is_cut_where_it_is_quietest():
    recording = np.random.default_rng(0).standard_normal(20 * slicing.RATE).astype(np.float32)
    dip = slice(int(9.2 * slicing.RATE), int(9.35 * slicing.RATE))
    recording[dip] *= 0.01
    first, _ = slicing.limit_length(recording, [slicing.Span(0, len(recording))], 15 * slicing.RATE)
    assert dip.start <= first.end <= dip.stop


def test_what_holds_no_speech_is_left_out_with_its_reason():
    rng = np.random.default_rng(0)
    noise = (rng.standard_normal(6 * slicing.RATE) * 0.1).astype(np.float32)
    assert [reason for _, reason in slicing.cut(noise, 15)] == ["no speech: only noise or music was found in it"]
    assert [reason for _, reason in slicing.cut(np.zeros(6 * slicing.RATE, np.float32), 15)] == [slicing.SILENCE]
    short = resample(speech(0.4), 16_000, slicing.RATE)
    ((_, reason),) = slicing.cut(short, 15)
    assert reason and reason.startswith("too short: 0.40 s")


def test_quiet_speech_that_falls_under_the_threshold_is_said_to_be_speech():
    loud, quiet = phrases(5), phrases(5) * np.float32(0.005)
    reasons = [reason for _, reason in slicing.cut(np.concatenate([loud, quiet]), 15)]
    assert slicing.TOO_QUIET in reasons


def test_the_limit_follows_the_gpu():
    assert [slicing.longest_for(gib) for gib in (None, 4, 6, 11.99, 15.99, 24, 80)] == [15, 6, 6, 12, 16, 20, 20]
    with pytest.raises(UsageError, match="too short to train on"):
        next(slicing.cut(phrases(5), 1.0))


def test_levels_move_towards_the_common_peak():
    clip = speech(1)
    assert np.abs(slicing.normalise(clip)).max() == pytest.approx(0.25 * 0.9 + 0.75 * 0.5)
    assert np.abs(slicing.normalise(clip, share=0)).max() == pytest.approx(0.5)
    assert np.abs(slicing.normalise(clip * 8)).max() == pytest.approx(0.25 * 0.9 + 0.75)
    assert not slicing.normalise(np.zeros(10, np.float32)).any()


def test_16_bit_samples_never_wrap_around():
    assert slicing.to_int16(np.array([-2, -1, 0, 0.99999, 2], np.float32)).tolist() == [-32768, -32767, 0, 32766, 32767]
