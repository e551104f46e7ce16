import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.formats.checkpoints import load_gpt
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.synthesis import Mark, Options, Prompt, Quirks, Reference, Script
from voicemill.gpt_sovits.synthesis.synthesizer import Synthesizer
from voicemill.models import locate
from voicemill.synthesis.load import Pretrained

SHORT = Options(max_tokens=20)
LINE = "Good morning to you, the rain has stopped."


@pytest.fixture(scope="module")
def prompt(synthesizer: Synthesizer, reference: Reference) -> Prompt:
    return synthesizer.prepare(reference)


def test_a_line_is_spoken(synthesizer: Synthesizer, reference: Reference):
    speech = synthesizer.speak(LINE, "en", reference, options=SHORT)
    assert speech.rate == 32000
    assert speech.samples.dtype == np.float32
    assert 0 < np.abs(speech.samples).max() <= 1
    tokens = [fragment["tokens"] for fragment in speech.report["fragments"]]
    assert len(speech.samples) == sum(tokens) * 1280 + len(tokens) * 9600
    assert speech.pcm16().dtype == np.int16


def test_a_seed_decides_how_it_is_spoken(synthesizer: Synthesizer, prompt: Prompt):
    first, again, other = (synthesizer.speak(LINE, "en", prompt, seed=seed, options=SHORT) for seed in (1, 1, 2))
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)


def test_a_line_does_not_depend_on_the_lines_beside_it(synthesizer: Synthesizer, prompt: Prompt):
    texts = ["One line that is rather short.", "你好，今天的天气真的很不错。", LINE]
    scripts = [synthesizer.script(text, "auto", seed=number) for number, text in enumerate(texts)]
    together = synthesizer.perform(scripts, prompt, SHORT)
    for script, speech in zip(scripts, together, strict=True):
        alone = synthesizer.perform([script], prompt, SHORT)[0]
        assert alone.report == speech.report
        np.testing.assert_allclose(alone.samples, speech.samples, atol=1e-4)


def test_sound_made_at_once_is_the_sound_of_each_alone(synthesizer: Synthesizer, prompt: Prompt):
    texts = ["Good morning to you.", "It rains.", "I do not know what you mean."]
    scripts = [
        synthesizer.script(text, "en", seed=number, speed=1.5 if number == 1 else 1)
        for number, text in enumerate(texts)
    ]
    alone, at_once = (synthesizer.perform(scripts, prompt, replace(SHORT, decode_at_once=size)) for size in (1, 3))
    for one, two in zip(alone, at_once, strict=True):
        assert one.report == two.report
        np.testing.assert_allclose(two.samples, one.samples, atol=1e-4)


def test_a_fragment_does_not_depend_on_the_fragments_beside_it(synthesizer: Synthesizer, prompt: Prompt):
    first, second, other = (
        synthesizer.script(text, "en").fragments[0] for text in ("Good morning.", "It rains today.", "I do not know.")
    )
    one, two = (synthesizer.perform([Script([first, last])], prompt, SHORT)[0] for last in (second, other))
    length = one.report["fragments"][0]["tokens"] * 1280
    assert np.array_equal(one.samples[:length], two.samples[:length])

    as_one = replace(synthesizer, quirks=Quirks(decode_together=True))
    one, two = (as_one.perform([Script([first, last])], prompt, SHORT)[0] for last in (second, other))
    assert not np.array_equal(one.samples[:length], two.samples[:length])


def test_speed_changes_the_length_and_not_the_tokens(synthesizer: Synthesizer, prompt: Prompt):
    plain, fast = (synthesizer.speak(LINE, "en", prompt, speed=speed, options=SHORT) for speed in (1.0, 1.5))
    assert plain.report["fragments"] == fast.report["fragments"]
    pauses = 9600 * len(plain.report["fragments"])
    assert (len(plain.samples) - pauses) / (len(fast.samples) - pauses) == pytest.approx(1.5, rel=0.05)


def test_a_speed_that_nobody_speaks_at_is_refused(synthesizer: Synthesizer):
    with pytest.raises(InputError, match="speed"):
        synthesizer.script(LINE, "en", speed=9.0)


def test_pauses_are_as_long_as_asked(synthesizer: Synthesizer, prompt: Prompt):
    options = replace(SHORT, pause_seconds=0.5)
    speech = synthesizer.speak("Good morning to you.", "en", prompt, options=options)
    assert not speech.samples[-16000:].any()
    assert speech.samples[-16400:-16000].any()


def token_model(models: Path) -> Gpt:
    checkpoint = load_gpt(locate(models, "gpt"))
    return Gpt.from_checkpoint(checkpoint.config, checkpoint.weights).float()


def test_babble_that_never_ends_is_cut_off_and_told(synthesizer: Synthesizer, models: Path, prompt: Prompt):
    babbling = token_model(models)
    babbling.ar_predict_layer.weight.data[babbling.config.eos] = 0
    speech = replace(synthesizer, gpt=babbling).speak("Good morning.", "en", prompt)
    (fragment,) = speech.report["fragments"]
    assert fragment["cut_off"]
    assert speech.report["cut_off"] == 1
    assert speech.seconds < 10


def test_without_a_prompts_text_it_speaks_too(synthesizer: Synthesizer, reference: Reference):
    speech = synthesizer.speak(LINE, "en", replace(reference, text=""), options=SHORT)
    assert speech.samples.any()


def test_a_second_recording_changes_the_voice(synthesizer: Synthesizer, reference: Reference):
    other = reference.audio.with_name("ref2.flac")
    options = replace(SHORT, sampling=Sampling(top_k=1))
    one, two = (
        synthesizer.speak(LINE, "en", replace(reference, others=others), options=options) for others in ((), (other,))
    )
    assert one.report == two.report
    assert np.abs(one.samples - two.samples).max() > 1e-5


@pytest.mark.parametrize("precision", ["bf16", "fp16", "int8"])
def test_coarser_arithmetic_speaks(precision: str, models: Path, prompt: Prompt):
    coarse = Pretrained(models).synthesizer(locate(models, "sovits-g"), locate(models, "gpt"), precision=precision)
    speech = coarse.speak(LINE, "en", prompt, options=SHORT)
    assert np.isfinite(speech.samples).all()
    assert speech.samples.any()


def test_what_is_spoken_is_marked_and_its_pauses_stay_silent(
    synthesizer: Synthesizer, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(synthesizer, "mark", None)
    plain = synthesizer.speak(LINE, "en", prompt, options=SHORT)
    monkeypatch.setattr(synthesizer, "mark", Mark("half", lambda samples, rate: samples / 2 + (rate == 32000) * 1e-3))
    marked = synthesizer.speak(LINE, "en", prompt, options=SHORT)
    assert (plain.report["watermark"], marked.report["watermark"]) == ("", "half")
    heard = plain.samples != 0
    np.testing.assert_allclose(marked.samples[heard], plain.samples[heard] / 2 + 1e-3, atol=1e-6)
    assert not marked.samples[-9600:].any()


def test_words_have_their_times_in_the_line(synthesizer: Synthesizer, prompt: Prompt):
    timed = replace(SHORT, word_times=True)
    speech = synthesizer.speak("Good morning, “Anna”. 今天很好。", "auto", prompt, options=timed)
    words = speech.report["words"]
    assert [word["text"] for word in words] == ["Good", "morning,", "“Anna”.", "今", "天", "很", "好。"]
    assert all(0 <= word["start"] <= word["end"] <= speech.seconds for word in words)
    assert all(before["end"] <= after["start"] + 1e-3 for before, after in itertools.pairwise(words))
    # Tokens are 40 ms, and 0.3 s of silence follow each fragment.
    first, second, _ = (fragment["tokens"] * 0.04 for fragment in speech.report["fragments"])
    assert words[1]["end"] <= first + 1e-3
    assert first + 0.3 <= words[2]["start"] + 1e-3
    assert words[2]["end"] <= first + 0.3 + second + 1e-3
    assert first + second + 0.6 <= words[3]["start"] + 1e-3
    faster = synthesizer.speak("Good morning, “Anna”. 今天很好。", "auto", prompt, speed=2, options=timed)
    assert faster.report["words"][1]["end"] == pytest.approx(words[1]["end"] / 2, abs=0.05)
    assert "words" not in synthesizer.speak(LINE, "en", prompt, options=SHORT).report
