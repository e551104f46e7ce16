"""Speech that is heard while it is made, against the same speech made as a whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.synthesis import Options, Prompt, Reference, Script
from voicemill.gpt_sovits.synthesis.chunks import Chunking
from voicemill.gpt_sovits.synthesis.streaming import Stream, StreamingSynthesizer
from voicemill.gpt_sovits.synthesis.synthesizer import Synthesizer

SHORT = Options(max_tokens=60)
TEXTS = ("Good morning to you, the rain has stopped.", "It rains, and so do I.", "I do not know what you mean.")


@pytest.fixture(scope="module")
def prompt(synthesizer: Synthesizer, reference: Reference) -> Prompt:
    return synthesizer.prepare(reference)


def scripts(synthesizer: Synthesizer, speed: float = 1.0) -> list[Script]:
    return [synthesizer.script(text, "en", seed=number, speed=speed) for number, text in enumerate(TEXTS)]


def streams(scripts: list[Script], prompt: Prompt, options: Options = SHORT, **more) -> list[tuple[Stream, list]]:
    made = []
    for script in scripts:
        heard: list[np.ndarray] = []
        made.append((Stream(script, prompt, options, heard.append, **more), heard))
    return made


def run(speaker: StreamingSynthesizer) -> None:
    for _ in range(2000):
        if not speaker.streams:
            return
        speaker.step()
    raise AssertionError("they never end")


@pytest.mark.parametrize("speed", [1.0, 1.5])
def test_sentences_that_are_streamed_together_are_the_sound_of_each_as_a_whole(
    synthesizer: Synthesizer, prompt: Prompt, speed: float
):
    speaker = StreamingSynthesizer(synthesizer, rows=2)
    texts = scripts(synthesizer, speed)
    made = streams(texts, prompt, is_chunked=False)
    speaker.begin(made[0][0])
    for _ in range(7):
        speaker.step()
    for stream, _ in made[1:]:
        speaker.begin(stream)
    run(speaker)
    for script, (stream, heard) in zip(texts, made, strict=True):
        whole = synthesizer.perform([script], prompt, SHORT)[0]
        assert len(heard) == len(script.fragments)
        assert stream.report == whole.report
        np.testing.assert_allclose(np.concatenate(heard), whole.samples, atol=1e-4)


def test_chunks_are_the_sound_of_the_whole_up_to_a_small_error_and_join_without_a_click(
    synthesizer: Synthesizer, prompt: Prompt
):
    script = scripts(synthesizer)[0]
    speaker = StreamingSynthesizer(synthesizer, chunking=Chunking(first=10, longest=20))
    ((stream, heard),) = streams([script], prompt)
    speaker.begin(stream)
    run(speaker)
    whole = synthesizer.perform([script], prompt, SHORT)[0]
    chunked = np.concatenate(heard)
    assert len(heard) > len(script.fragments)
    assert stream.report == whole.report
    assert len(chunked) == len(whole.samples)
    error = np.sqrt(np.mean((chunked - whole.samples) ** 2)) / np.sqrt(np.mean(whole.samples**2))
    assert error < 0.3
    # The largest step from a sample to the next is not larger at the joins than elsewhere.
    steps = np.abs(np.diff(chunked))
    joins = np.cumsum([len(chunk) for chunk in heard])[:-1]
    at_joins = np.concatenate([steps[join - 1281 : join + 1281] for join in joins])
    assert at_joins.max() <= 1.2 * np.abs(np.diff(whole.samples)).max()


def test_what_is_heard_first_is_heard_before_its_sentence_is_spoken(synthesizer: Synthesizer, prompt: Prompt):
    ((stream, heard),) = streams(scripts(synthesizer)[:1], prompt, replace(SHORT, text_split="cut0"))
    speaker = StreamingSynthesizer(synthesizer, chunking=Chunking(first=4, ahead=3))
    speaker.begin(stream)
    steps = 0
    while not heard:
        speaker.step()
        steps += 1
    assert steps == 4 + 3
    assert not stream.has_ended


def test_everybodys_first_sentence_comes_before_anybodys_later_ones(synthesizer: Synthesizer, prompt: Prompt):
    made = streams(scripts(synthesizer), prompt)
    speaker = StreamingSynthesizer(synthesizer, rows=3)
    for stream, _ in made:
        speaker.begin(stream)
    speaker.step()
    assert [stream.begun for stream, _ in made] == [1, 1, 1]


def test_a_script_that_nobody_takes_waits_and_one_that_is_cancelled_is_gone(synthesizer: Synthesizer, prompt: Prompt):
    wanted = [True]
    (slow, heard), (gone, _), _ = streams(scripts(synthesizer), prompt, is_chunked=False, takes=lambda: wanted[0])
    speaker = StreamingSynthesizer(synthesizer, rows=1)
    speaker.begin(slow)
    speaker.begin(gone)
    speaker.step()
    wanted[0] = False
    while not speaker.is_idle:
        speaker.step()
    assert len(heard) == 1
    speaker.cancel(gone)
    assert speaker.streams == [slow]
    wanted[0] = True
    run(speaker)
    assert len(heard) == len(slow.parts)
    assert speaker.batch.free == 1


def test_a_voice_that_searches_with_beams_is_streamed_sentence_by_sentence(synthesizer: Synthesizer, prompt: Prompt):
    options = replace(SHORT, sampling=Sampling(num_beams=2), max_tokens=15)
    script = scripts(synthesizer)[1]
    ((stream, heard),) = streams([script], prompt, options)
    speaker = StreamingSynthesizer(synthesizer)
    speaker.begin(stream)
    run(speaker)
    whole = synthesizer.perform([script], prompt, options)[0]
    assert stream.report == whole.report
    np.testing.assert_allclose(np.concatenate(heard), whole.samples, atol=1e-4)


def test_an_error_in_one_script_ends_that_one_alone(synthesizer: Synthesizer, prompt: Prompt):
    (bad, _), (good, heard), _ = streams(scripts(synthesizer), prompt, is_chunked=False)

    def fail(_: np.ndarray) -> None:
        raise RuntimeError("no")

    bad.hear = fail
    speaker = StreamingSynthesizer(synthesizer)
    for stream in (bad, good):
        speaker.begin(stream)
    run(speaker)
    assert str(bad.error) == "no"
    assert good.report
    assert heard
