"""`voicemill join`: lines to one file, with pauses, loudness, chapters and subtitles."""

import itertools
import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from tests.speech import speech
from voicemill.audio.reading import read, read_mono
from voicemill.audio.resampling import resample
from voicemill.core.errors import InputError, UsageError
from voicemill.stages.join import join as join_stage
from voicemill.synthesis.detection import read_provenance
from voicemill.synthesis.joining import loudness
from voicemill.synthesis.joining.joining import join
from voicemill.synthesis.joining.lines import BEFORE_CHAPTER, PARAGRAPH, pause_after, read_lines, trimmed
from voicemill.synthesis.marking import encode_marked_speech

RATE = 32_000
SILENCE = 0.3
SCRIPT = {
    1: "Chapter one: The mill.",
    2: "The old mill turned slowly,",
    3: "And nobody knew why.",
    5: "How many boats are there?",
    6: "Chapter two",
    7: "Nobody had counted them...",
}
"""Line 4 is empty."""


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `synthesize` leaves: a file a line with silence around a second of speech, and a manifest with words."""
    folder = tmp_path_factory.mktemp("speech")
    rows = []
    for number, text in SCRIPT.items():
        voice = resample(speech(1.0, skip=number), 16_000, RATE) * (0.1 if number % 2 else 0.5)
        quiet = np.zeros(int(SILENCE * RATE), np.float32)
        samples = np.concatenate([quiet, voice, quiet])
        name, parts = f"{number:04d}.wav", text.split()
        about = {"voice": "v1", "text": text, "seed": 0, "watermark": "resemble-perth 1.0.1"}
        (folder / name).write_bytes(
            encode_marked_speech((samples * 32767).astype(np.int16), RATE, speaker="ada", **about)
        )
        times = np.linspace(SILENCE, 1 + SILENCE, len(parts) + 1)
        words = [
            {"text": part, "start": float(start), "end": float(end)}
            for part, start, end in zip(parts, times[:-1], times[1:], strict=True)
        ]
        rows.append({"file": name, **about, "speaker": "ada", "seconds": len(samples) / RATE, "words": words})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_gap_in_the_numbers_begins_a_paragraph_and_a_heading_a_chapter(spoken: Path):
    lines = read_lines(spoken)
    assert [line.begins_paragraph for line in lines] == [False, False, False, True, False, False]
    assert [line.chapter for line in lines] == ["Chapter one: The mill.", "", "", "", "Chapter two", ""]


def test_pauses_follow_marks_paragraphs_and_chapters(spoken: Path):
    lines = read_lines(spoken)
    pauses = [pause_after(line, after) for line, after in zip(lines, [*lines[1:], None], strict=True)]
    assert pauses == [PARAGRAPH, 0.25, PARAGRAPH, BEFORE_CHAPTER, PARAGRAPH, 0.7]


@pytest.mark.parametrize("ending", [".wav", ".flac", ".mp3", ".m4b", ".ogg"])
def test_one_file_of_all_lines_in_every_format(spoken: Path, tmp_path: Path, ending: str):
    made = join(read_lines(spoken), tmp_path / f"book{ending}", title="The mill", endings=())
    audio = read(tmp_path / f"book{ending}")
    # Six lines of about a second, and pauses of 1, 0.25, 1, 2, 1 and 0.5 s.
    assert 11 < made.seconds < 12.2
    assert audio.seconds == pytest.approx(made.seconds, abs=0.15)
    loud = loudness.measure([audio.samples[0]], audio.rate)
    assert loud.peak_db < 0
    assert loud.lufs == pytest.approx(made.lufs + made.gain_db, abs=1.0)
    said = read_provenance(tmp_path / f"book{ending}")
    assert said
    assert (said["generated"], said["speakers"], said["voices"], said["lines"]) == (True, ["ada"], ["v1"], 6)
    assert said["watermark"] == "resemble-perth 1.0.1"


def test_chapters_of_an_m4b_are_read_back(spoken: Path, tmp_path: Path):
    made = join(read_lines(spoken), tmp_path / "book.m4b", title="The mill", endings=())
    with av.open(str(tmp_path / "book.m4b")) as file:
        chapters = file.chapters()
        assert file.metadata["title"] == "The mill"
    assert [chapter["metadata"]["title"] for chapter in chapters] == ["Chapter one: The mill.", "Chapter two"]
    starts = [float(chapter["start"] * chapter["time_base"]) for chapter in chapters]
    assert starts == pytest.approx([chapter.start for chapter in made.chapters], abs=0.001)
    assert starts[1] > 7


def test_it_is_as_loud_as_asked_and_a_quiet_line_stays_quieter(spoken: Path, tmp_path: Path):
    made = join(read_lines(spoken), tmp_path / "book.wav", target_lufs=-26.0, endings=())
    samples = read_mono(tmp_path / "book.wav")
    assert loudness.measure([samples], RATE).lufs == pytest.approx(-26.0, abs=0.3)
    first, second = (made.words[at] for at in (0, 1))
    quiet, loud = (
        np.abs(samples[int(words[0].start * RATE) : int(words[-1].end * RATE)]).max() for words in (first, second)
    )
    assert loud > 3 * quiet


def test_peaks_are_kept_below_full_scale_rather_than_clipped(spoken: Path, tmp_path: Path):
    made = join(read_lines(spoken), tmp_path / "book.wav", target_lufs=-8.0, endings=())
    assert np.abs(read_mono(tmp_path / "book.wav")).max() <= 10 ** (loudness.PEAK_DB / 20) + 0.01
    assert made.lufs + made.gain_db < -8.0


def test_words_are_where_they_sound_in_the_file(spoken: Path, tmp_path: Path):
    made = join(read_lines(spoken), tmp_path / "book.wav")
    samples = read_mono(tmp_path / "book.wav")
    for words in made.words:
        sound = samples[int(words[0].start * RATE) : int(words[-1].end * RATE)]
        before = samples[max(0, int((words[0].start - 0.2) * RATE)) : max(0, int((words[0].start - 0.05) * RATE))]
        assert np.abs(sound).max() > 0.01
        assert np.abs(before).max(initial=0) < 1e-3
    shown = json.loads((tmp_path / "book.json").read_text())["cues"]
    assert [cue["text"] for cue in shown] == list(SCRIPT.values())
    assert (tmp_path / "book.vtt").read_text().startswith("WEBVTT\n\n00:00:00.0")
    assert (tmp_path / "book.srt").read_text().startswith("1\n00:00:00,0")


def test_pauses_can_be_changed(spoken: Path, tmp_path: Path):
    usual, none = (
        join(read_lines(spoken), tmp_path / f"{pause}.wav", pause=pause, endings=()).seconds for pause in (1.0, 0.0)
    )
    assert usual - none == pytest.approx(5.25, abs=0.01)


def test_lines_without_word_times_have_their_words_spread(spoken: Path, tmp_path: Path):
    folder = tmp_path / "speech"
    folder.mkdir()
    rows = [json.loads(line) for line in (spoken / "manifest.jsonl").read_text().splitlines()]
    for row in rows:
        del row["words"]
        (folder / row["file"]).write_bytes((spoken / row["file"]).read_bytes())
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = join(read_lines(folder), tmp_path / "book.wav", endings=()).words[1]
    assert " ".join(word.text for word in words) == SCRIPT[2]
    assert all(before.end <= after.start + 1e-9 for before, after in itertools.pairwise(words))


def test_a_bulk_manifest_is_joined_voice_by_voice(spoken: Path, tmp_path: Path):
    rows = []
    for number, name in enumerate(("ada", "ben", "ada"), start=1):
        rows.append({"line": number, "speaker": name, "file": f"{number:04d}.wav", "text": f"By {name}."})
    rows.insert(2, {"line": 3, "dropped": "the line is empty"})
    rows[3]["line"] = 4
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [line.text for line in read_lines(tmp_path)] == ["By ada.", "By ben.", "By ada."]
    assert [line.begins_paragraph for line in read_lines(tmp_path)] == [False, False, True]
    assert [line.text for line in read_lines(tmp_path, speaker="ben")] == ["By ben."]
    with pytest.raises(InputError, match="no line that was spoken by eve"):
        read_lines(tmp_path, speaker="eve")


def test_what_cannot_be_joined_is_refused(spoken: Path, tmp_path: Path):
    with pytest.raises(InputError, match="has no manifest.jsonl"):
        read_lines(tmp_path)
    with pytest.raises(UsageError, match="not a regular expression"):
        read_lines(spoken, chapters="(")
    with pytest.raises(UsageError, match=r"let its name end in \.wav"):
        join(read_lines(spoken), tmp_path / "book.txt")
    (tmp_path / "manifest.jsonl").write_text('{"file": "../0001.wav", "text": "x"}\n')
    with pytest.raises(InputError):
        read_lines(tmp_path)


def test_silence_around_a_line_is_trimmed_and_a_silent_line_is_left():
    silence, tone = np.zeros(RATE, np.float32), np.sin(np.arange(RATE) / 10).astype(np.float32)
    start, end = trimmed(np.concatenate([silence, tone, silence]), RATE)
    assert (start / RATE, end / RATE) == (pytest.approx(0.97), pytest.approx(2.03))
    assert trimmed(np.zeros(1000, np.float32), RATE) == (0, 1000)
    assert trimmed(np.zeros(0, np.float32), RATE) == (0, 0)


def test_loudness_is_that_of_ebu_r128():
    # EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS is -23 LUFS.
    sine = (10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * np.arange(5 * 48_000) / 48_000)).astype(np.float32)
    found = loudness.measure([sine[:1000], sine[1000:]], 48_000)
    assert found.lufs == pytest.approx(-23.0, abs=0.1)
    assert found.peak_db == pytest.approx(-23.0, abs=0.1)
    assert loudness.measure([np.zeros(48_000, np.float32)], 48_000).gain(-18.0) == 1.0


def test_the_command(spoken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    from voicemill.cli import main as cli

    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["voicemill", "join", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    assert run(spoken, tmp_path / "book.m4b", "--title", "The mill", "--subtitles", "vtt") == 0
    assert "of 6 lines, 2 chapters" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.m4b", "book.vtt"]
    assert run(spoken, tmp_path / "book.m4b", "--subtitles", "ass") == 64


def test_the_stage_ends_a_workflow_with_one_file_and_its_subtitles(spoken: Path, tmp_path: Path):
    ledger = join_stage(spoken, tmp_path / "audio", title="The mill")
    names = {path.name for path in (tmp_path / "audio").iterdir()}
    assert names == {f"speech.{ending}" for ending in ("m4b", "srt", "vtt", "json")}
    with av.open(str(tmp_path / "audio" / "speech.m4b")) as file:
        titles = [chapter["metadata"]["title"] for chapter in file.chapters()]
        assert titles == ["Chapter one: The mill.", "Chapter two"] and file.metadata["title"] == "The mill"
    entry, summary = ledger.entries[0], ledger.summary()
    assert (entry["item"], entry["lines"], summary["chapters"], summary["word_times"]) == ("speech.m4b", 6, 2, True)
    assert entry["seconds"] == pytest.approx(read(tmp_path / "audio" / "speech.m4b").seconds, abs=0.1)
    one_chapter = join_stage(spoken, tmp_path / "flac", format="flac", chapters="boats", pauses=0.5)
    assert one_chapter.entries[0]["seconds"] < entry["seconds"]
