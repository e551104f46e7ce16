"""The report is one page that needs nothing else, tells what is there and survives what is not."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.factories import RunFolder, make_run
from voicemill.core.errors import InputError
from voicemill.report import Run, build
from voicemill.report.rendering import shown
from voicemill.report.sound import Snippet, loudest_stretch, read_snippet
from voicemill.stages.report import report


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = make_run(tmp_path_factory.mktemp("run"))
    time = np.arange(3 * 22_050) / 22_050
    for folder in ("vocals", "levelled"):
        (run.root / folder).mkdir()
        soundfile.write(run.root / folder / "a-0000.wav", 0.2 * np.sin(2 * np.pi * 300 * time), 22_050)
    measures = {"a-0000": {"bak": 3.91, "denoise": False, "dereverb": True}}
    (run.root / "measures.json").write_text(json.dumps(measures))
    (run.root / "ledgers").mkdir()
    entries = [
        {"stage": "slice", "item": "a_1.wav", "outcome": "kept", "of": "a", "seconds": 90.0},
        {"stage": "slice", "item": "a_2.wav", "outcome": "dropped", "reason": "silence <b>only</b>"},
        {"stage": "ingest", "item": "a.wav", "outcome": "kept", "seconds": 120.0},
        {"stage": "separate", "item": "a-0000", "outcome": "kept", "seconds": 120.0, "separated": True},
        {"stage": "identify-speakers", "item": "a_1.wav", "outcome": "kept", "speech": {"1": 90.0, "2": 30.0}},
        {"stage": "identify-speakers", "item": "a_2.wav", "outcome": "dropped", "reason": "2", "speech": {"2": 6.0}},
    ]
    (run.root / "ledgers" / "all.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    rows = json.loads((run.transcripts / "transcripts.json").read_text())
    rows[0]["text"] = "<script>alert(1)</script>"
    (run.transcripts / "transcripts.json").write_text(json.dumps(rows))
    return run


class Page(HTMLParser):
    """Tags and the addresses they load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]


def page_of(run: RunFolder, tmp_path: Path) -> str:
    names = ("vocals", "levelled", "clips", "transcripts", "sovits", "gpt", "evaluation", "ledgers")
    folders = {name: run.root / name for name in names}
    report(
        tmp_path / "report.html",
        **folders,
        measures=run.root / "measures.json",
        run_speaker="lj",
        run_status="Failed",
        run_parameters='[{"name":"seed","value":"7"}]',
    )
    return (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(run, tmp_path_factory.mktemp("page"))


def test_several_speakers_are_told_with_their_minutes(text: str) -> None:
    words = " ".join(re.sub(r"<[^>]*>", "", text).split())
    assert "2 people seem to speak in these recordings:" in words
    assert "speaker 1 1.5 min in 1 clips; speaker 2 0.6 min in 2 clips, 1 of them dropped" in words


def test_everything_that_there_is_is_on_the_page(text: str) -> None:
    for section in ("stages", "cleaning", "clips", "training", "evaluation", "made-from"):
        assert f'id="{section}"' in text, section
    assert "words, ending" in text, "why a line of the best pair fails verification"
    words = ["Failed", "silence &lt;b&gt;only&lt;/b&gt;", "bak", "3.91", "few words", "sovits_e2_s20", "Ask it."]
    for word in words:
        assert word in text, word
    assert "<b>1</b> of 1 recordings went through separate" in text
    page = Page(text)
    assert page.tags.count("audio") == 3, "two states of a recording, one line of the best pair"
    assert page.tags.count("svg") == 4, "histogram, two trainings, pairs"
    assert page.tags.count("img") == 2, "two states of a recording"


def test_the_page_loads_nothing_from_anywhere(text: str) -> None:
    outside = [address for address in Page(text).addresses if not address.startswith(("data:", "#"))]
    assert not outside
    assert not re.search(r"url\((?!#)|@import", text)


def test_what_is_said_cannot_become_part_of_the_page(text: str) -> None:
    assert "<script" not in text and "&lt;script&gt;" in text


def test_the_same_run_gives_the_same_page(run: RunFolder, text: str, tmp_path: Path) -> None:
    assert page_of(run, tmp_path) == text


def test_a_run_that_left_nothing_still_has_a_report(tmp_path: Path) -> None:
    report(tmp_path / "report.html", run_speaker="lj", run_status="Failed")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No stage has left anything" in text and "Failed" in text
    assert "<h1>A voice</h1>" in build(Run())


def test_players_are_bounded_and_begin_where_there_is_sound(tmp_path: Path) -> None:
    samples = np.zeros(40 * 8_000)
    samples[20 * 8_000 : 30 * 8_000] = 0.5
    soundfile.write(tmp_path / "a.wav", samples, 8_000)
    start = loudest_stretch(tmp_path / "a.wav")
    assert 18 <= start <= 20
    snippet = read_snippet(tmp_path / "a.wav", start)
    assert (len(snippet.samples) / snippet.rate, snippet.seconds) == (12.0, 40.0)
    noise = np.random.default_rng(0).normal(0, 0.1, 12 * 48_000).astype(np.float32)
    assert len(Snippet(noise, 48_000, 12.0).data_uri()) < 400_000


def test_lines_that_do_not_say_their_text_come_first_with_what_was_heard(tmp_path: Path) -> None:
    rows = [{"file": "1.wav", "text": "One.", "verification": {"outcome": "verified", "heard": "one", "causes": []}}]
    wrong = {"outcome": "unfixable", "heard": "<i>tow", "causes": ["words", "ending"]}
    rows += [{"file": "2.wav", "text": "Two.", "verification": wrong}, {"file": "3.wav", "text": "Three."}]
    for row in rows:
        soundfile.write(tmp_path / str(row["file"]), np.zeros(800), 8_000)
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = build(Run(speech=tmp_path))
    assert page.index("Two.") < page.index("One.") < page.index("Three.")
    assert "heard: &lt;i&gt;tow" in page and "unfixable: words, ending" in page


@pytest.mark.parametrize("name", ["../secret.wav", "/secret.wav"])
def test_no_sound_from_outside_of_the_run_gets_into_the_page(name: str, tmp_path: Path) -> None:
    (tmp_path / "speech").mkdir()
    soundfile.write(tmp_path / "secret.wav", np.zeros(16_000), 16_000)
    outside = name.replace("/secret", f"{tmp_path}/secret") if name.startswith("/") else name
    (tmp_path / "speech" / "manifest.jsonl").write_text(json.dumps({"file": outside, "text": "a"}))
    with pytest.raises(InputError, match="is refused"):
        build(Run(speech=tmp_path / "speech"))


def test_the_page_says_how_sure_the_choices_are(run: RunFolder, tmp_path: Path) -> None:
    file = run.evaluation / "evaluation.json"
    kept = file.read_text()
    evaluation = json.loads(kept)
    for pair in evaluation["pairs"]:
        pair |= {"reference": "b.wav", "error_rate_interval": [0.11, 0.33], "pace_ratio": 0.87, "ovrl": 2.94}
    tried = [{**evaluation["pairs"][1], "reference": name, "lines": []} for name in ("b.wav", "d.wav", "e.wav")]
    evaluation["best"]["reference"] = "d.wav"
    evaluation |= {"confidence": 0.62, "as_good": ["sovits_e1_s10+gpt_e2_s20"], "left_out": ["3 of 12 lines: too slow"]}
    evaluation["warning"] = "hardly understood: a recogniser hears 98 % of what it says wrong"
    evaluation["references"] = {"confidence": 1.0, "as_good": [], "tried": tried}
    file.write_text(json.dumps(evaluation))
    text = page_of(run, tmp_path)
    file.write_text(kept)
    section = text[text.index('id="evaluation"') :]
    for words in ("0.11 to 0.33", "0.87", "2.94", "the same pair comes first 62 %", "1 of the 2 others cannot be told"):
        assert words in section, words
    assert "the same reference clip comes first 100 %" in section and "Left out: 3 of 12 lines: too slow." in section
    assert section.count(">chosen<") == 2 and section.count(">as good<") == 1
    assert "The voice is hardly understood: a recogniser hears 98 %" in section
    assert "ERes2NetV2" not in section


def test_a_number_that_is_not_whole_does_not_seem_so() -> None:
    assert [shown(value) for value in (0.999875, 1.0, 0.0001, 45.0, 2.71828, None)] == [
        *("0.999875", "1", "0.0001", "45", "2.72", "–")
    ]


def test_it_says_what_the_run_took_of_gpus_what_that_costs_and_what_it_took_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_gpu = {"item": "a", "outcome": "kept", "gpu_class": "training", "gpu_seconds": 90.0}
    taken_over = {"reused_from": "clone-1", "reused_gpu_seconds": 3600.0}
    rows = [{"stage": "train-sovits", **of_gpu}, {"stage": "train-gpt", **of_gpu, **taken_over}]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = build(Run(ledgers=tmp_path))
    assert "<b>3.0</b> min of training." in page and "train-gpt (clone-1)" in page
    monkeypatch.setenv("VOICEMILL_GPU_PRICES", '{"training": 4}')
    monkeypatch.setenv("VOICEMILL_CURRENCY", "EUR")
    assert "about <b>0.20 EUR</b>" in build(Run(ledgers=tmp_path))
