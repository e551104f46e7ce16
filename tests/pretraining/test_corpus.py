import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from voicemill.audio.reading import read_mono
from voicemill.core.errors import InputError
from voicemill.dataset import labels
from voicemill.pretraining import corpus, flite
from voicemill.pretraining.flite import PHONES, Segment
from voicemill.stages.make_corpus import make_corpus

HELLO = [Segment("pau", 0.1), Segment("hh", 0.2), Segment("ax", 0.3), Segment("l", 0.4), Segment("ow", 0.6)]
needs_flite = pytest.mark.skipif(not shutil.which("flite"), reason="the synthesizer flite is not installed")


def test_a_frame_has_the_phone_at_its_middle() -> None:
    numbers = corpus.frame_phones(HELLO, 7, hop=0.1, offset=0.05)
    # After the end it is the last phone.
    assert [PHONES[number] for number in numbers] == ["pau", "hh", "ax", "l", "ow", "ow", "ow"]


def test_stress_and_reduced_vowels_do_not_part_flite_from_our_front_end_but_other_words_do() -> None:
    assert corpus.agreement(HELLO, ["HH", "AH0", "L", "OW1", "."]) == 1.0
    assert corpus.agreement(HELLO, ["G", "UH1", "D", "B", "AY2", "."]) < corpus.AGREEMENT


def test_the_first_speakers_are_the_voices_as_they_are_and_the_others_differ() -> None:
    people = corpus.speakers(20, seed=5)
    assert [speaker.name for speaker in people[:4]] == list(flite.VOICES)
    assert all((speaker.tract, speaker.f0, speaker.tempo) == (1.0, 1.0, 1.0) for speaker in people[:4])
    assert people == corpus.speakers(20, seed=5)
    assert len({(speaker.voice, speaker.tract, speaker.f0, speaker.tempo) for speaker in people}) == 20


def test_without_flite_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="apt-get install flite"):
        flite.speak("Hello.", "slt")


@needs_flite
def test_a_shorter_vocal_tract_raises_the_spectrum_and_keeps_the_tempo() -> None:
    plain, small = (
        corpus.Speaker("x", "slt", tract=tract).say("We see the sea.", np.random.default_rng(0)) for tract in (1.0, 1.2)
    )
    assert len(small[0]) == pytest.approx(len(plain[0]), rel=0.05)
    assert _hissing(small[0]) == pytest.approx(1.2 * _hissing(plain[0]), rel=0.05)
    assert [s.phone for s in small[1]] == [s.phone for s in plain[1]]
    assert small[1][-1].end <= len(small[0]) / corpus.RATE


def _hissing(wav: np.ndarray) -> float:
    """Frequency in Hz below which half the energy of the differentiated wave lies: that of the s."""
    frequencies = np.fft.rfftfreq(len(wav), 1 / corpus.RATE)
    energy = np.cumsum((np.abs(np.fft.rfft(wav)) * frequencies) ** 2)
    return float(frequencies[np.searchsorted(energy, energy[-1] / 2)])


@needs_flite
def test_the_stage_makes_as_much_speech_as_asked_with_its_texts_and_phones(tmp_path: Path) -> None:
    clips, transcripts = tmp_path / "clips", tmp_path / "transcripts"
    ledger = make_corpus(clips, transcripts, minutes=0.2, speakers=5, corpus_seed=7)
    spoken = labels.read(transcripts / "transcripts.list")
    assert {label.name for label in spoken} == {path.name for path in clips.iterdir()}
    segments = json.loads((transcripts / "segments.json").read_text())
    seconds = 0.0
    for label in spoken:
        wav = read_mono(clips / label.name, corpus.RATE)
        seconds += len(wav) / corpus.RATE
        # The last pause may be cut off, and nothing sounds in it.
        assert segments[label.name][-1][1] == pytest.approx(len(wav) / corpus.RATE, abs=0.15)
    assert 12 <= seconds < 20 and ledger.summary()["seconds"] == pytest.approx(seconds, abs=0.1)
    assert json.loads((transcripts / "speakers.json").read_text())["kal16"]["voice"] == "kal16"
