"""The page and the table hold everything that was measured, and what was lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from benchmarks.quality import page, table
from benchmarks.quality.epochs import Training, epoch_losses
from benchmarks.quality.measures import Heard, Summary
from tests.report.test_page import Page
from tests.speech import speech
from voicemill.text.scoring import Difference


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[Summary]:
    folder = tmp_path_factory.mktemp("sound")

    def heard(name: str, text: str | None, wrong: int) -> Heard:
        path = folder / f"{name}.wav"
        soundfile.write(path, speech(1.0), 16_000)
        counted = (Difference(wrong, 4), Difference(wrong, 12)) if text else (None, None)
        return Heard(name, text, f"heard of {name}", *counted, 0.8, {"bob": 0.5}, 3.5, 4.0, 3.0, 1.2, path)

    own = Summary("recordings", [heard("own", None, 0)], of_speaker=True)
    voice = Summary(
        "voice", [heard("01", "Is <b>1 < 2</b>?", 1), heard("02", "Quite | so.", 3)], {"03": "it is <empty>"}
    )
    return [own, voice]


def test_the_page_has_every_sentence_and_needs_nothing_else(measured: list[Summary]) -> None:
    text = page.build("Quality of <anna>", "pocketsphinx", measured, [Training("gpt", {"loss": [(1, 2.0), (2, 1.0)]})])
    for one in (sentence for summary in measured for sentence in summary.sentences):
        assert f"heard of {one.name}" in text
    assert "Is &lt;b&gt;1 &lt; 2&lt;/b&gt;?" in text and "it is &lt;empty&gt;" in text and "<anna>" not in text
    found = Page(text)
    assert found.tags.count("audio") == found.tags.count("img") == 3 and "svg" in found.tags
    assert all(address.startswith("data:") for address in found.addresses)
    assert text.index("heard of 02") < text.index("heard of 01"), "the worst sentence comes first"


def test_the_table_says_what_was_dropped_and_leaves_out_what_is_not_known(measured: list[Summary]) -> None:
    heading, own, voice = table.rows(measured)
    assert voice[heading.index("sentences")] == "2, 1 dropped"
    assert voice[heading.index("word errors")].startswith("50.0 % (")
    assert own[heading.index("word errors")] == "–" and own[heading.index("to bob")] == "0.50"
    text = table.markdown(measured)
    assert "- voice, 03: it is <empty>" in text
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {len(heading) + 1}


def test_results_are_json_without_loss(measured: list[Summary]) -> None:
    own, voice = json.loads(json.dumps(table.results(measured)))
    assert voice["figures"]["wer"]["value"] == 0.5 and own["figures"]["wer"] is None
    words = voice["sentences"][1]["words"]
    assert (words["errors"], words["length"]) == (3, 4)


def test_losses_are_means_over_an_epoch(tmp_path: Path) -> None:
    rows = [
        {"step": 1, "epoch": 1, "loss_mel": 4.0, "learning_rate": 0.1},
        {"step": 2, "epoch": 1, "loss_mel": 2.0, "learning_rate": 0.1},
        {"step": 3, "epoch": 2, "loss_mel": 1.0, "learning_rate": 0.1},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert epoch_losses(tmp_path) == {"loss_mel": [(1, 3.0), (2, 1.0)]}
