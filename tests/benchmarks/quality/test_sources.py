"""Sentences, lists and recordings that are to be measured."""

from __future__ import annotations

from pathlib import Path

import pocketsphinx
import pytest

from benchmarks.quality import few_shot, sources
from voicemill.core.errors import InputError
from voicemill.evaluation.sentences import sentences
from voicemill.text.scoring import plain

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("file", [sources.SENTENCES, sources.SET_ASIDE], ids=lambda file: file.stem)
def test_thirty_sentences_that_nothing_else_says_and_the_recogniser_knows(file: Path) -> None:
    listed = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).read_text(encoding="utf-8")
    known = {line.split(" ", 1)[0] for line in listed.splitlines()}
    lines, others = (
        {plain(line, "en") for line in sources.sentences(one)}
        for one in (file, *{sources.SENTENCES, sources.SET_ASIDE} - {file})
    )
    assert len(lines) == 30 and not lines & others
    elsewhere = [(EXAMPLES / name).read_text() for name in ("sentences.txt", "demo_speaker/lines.txt")]
    assert not lines & {plain(line, "en") for line in [*sentences("en"), *"".join(elsewhere).splitlines()]}
    assert {word for line in lines for word in line.split()} <= known


def test_a_list_names_prompts_from_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "meta.lst"
    path.write_text("a-1|He said so.|wavs/p.wav|Speak, then.\nb-2|Why?|wavs/q.wav|Another.|wavs/b-2.wav\n\n")
    first, second = sources.read_list(path)
    assert (first.name, first.prompt_text, first.text) == ("a-1", "He said so.", "Speak, then.")
    assert first.prompt == tmp_path / "wavs" / "p.wav" and first.spoken is None
    assert second.spoken == tmp_path / "wavs" / "b-2.wav"


@pytest.mark.parametrize("line", ["b|text|p.wav", "b||p.wav|text", "a|text|p.wav|for the second time"])
def test_a_wrong_line_of_a_list_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "meta.lst"
    path.write_text(f"a|He said so.|p.wav|Speak.\n{line}\n")
    with pytest.raises(InputError, match="line 2"):
        sources.read_list(path)


def test_minutes_are_taken_by_whole_recordings_and_fewer_are_part_of_more() -> None:
    seconds = {Path(f"{number}.wav"): 25.0 for number in range(10)}
    one, two = (sources.whole_clips(seconds, minutes) for minutes in (1, 2))
    assert len(one) == 3 and len(two) == 5
    assert two[:3] == one
    with pytest.raises(InputError, match="last 4.2 minutes, not 5"):
        sources.whole_clips(seconds, 5)


def test_where_there_are_not_so_many_minutes_all_recordings_are_taken_once() -> None:
    seconds = {Path(f"{number}.wav"): 25.0 for number in range(10)}
    found = few_shot.taken(seconds, [1, 2, 5, 10])
    assert {title: len(files) for title, files in found.items()} == {"1 min": 3, "2 min": 5, "4.2 min (all)": 10}
    assert list(few_shot.taken(seconds, [1])) == ["1 min"]


def test_recordings_know_their_words_and_notes_are_no_recordings(tmp_path: Path) -> None:
    (tmp_path / "transcripts.csv").write_text("file|text|lang\na.wav|Good morning.|en\n")
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"RIFF")
    spoken = sources.spoken_by(tmp_path)
    assert [(one.audio.name, one.text) for one in spoken] == [("a.wav", "Good morning."), ("b.wav", None)]


def test_what_synthesize_has_spoken_is_told_by_its_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="was not written by synthesize"):
        sources.spoken_lines(tmp_path)
    (tmp_path / "manifest.jsonl").write_text('{"file": "2.wav", "text": "Good morning.", "seconds": 1.5}\n')
    (one,) = sources.spoken_lines(tmp_path)
    assert (one.name, one.text, one.audio, one.prompt) == ("2", "Good morning.", tmp_path / "2.wav", None)
