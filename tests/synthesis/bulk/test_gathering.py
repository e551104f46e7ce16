"""One manifest in the script's order, every line accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.synthesis.bulk.script import lines_of, write_ledgers, write_script
from voicemill.core.errors import InputError
from voicemill.synthesis.bulk import Plan, Spoken, gather, planning
from voicemill.synthesis.bulk.cast import Cast

PLACE = "voices/{speaker}/run/synthesize/speech/{shard}"


@pytest.fixture
def made(tmp_path: Path, ada: str, bob: str) -> Plan:
    rows = [{"text": f"Line {number}.", "seed": number} for number in range(1, 6)]
    script = write_script(tmp_path / "s.jsonl", [*rows, None, {"text": "Last.", "voice": "bob"}])
    (tmp_path / "plan").mkdir()
    return planning.plan(script, Cast([ada, bob]), tmp_path / "plan", shard_lines=2)


def gathered(folder: Path) -> tuple[list[dict[str, Any]], list[Spoken]]:
    voices = gather(folder / "plan", folder / "ledgers", folder / "manifest.jsonl", place=PLACE)
    return [json.loads(row) for row in (folder / "manifest.jsonl").read_text().splitlines()], voices


def test_rows_come_in_the_order_of_the_script_whatever_the_shards(tmp_path: Path, made: Plan) -> None:
    write_ledgers(tmp_path / "plan", made, tmp_path / "ledgers", lambda speaker, line: (speaker, line) == ("ada", 4))
    rows, voices = gathered(tmp_path)
    assert [(row["line"], row.get("speaker")) for row in rows] == [
        *((line, speaker) for line in range(1, 6) for speaker in ("ada", "bob")),
        (6, None),
        (7, "bob"),
    ]
    assert rows[2] == {
        "line": 2,
        "speaker": "ada",
        "file": "voices/ada/run/synthesize/speech/00000/000002.wav",
        "text": "Line 2.",
        "language": "en",
        "speed": 1.0,
        "seed": 2,
        "cut_off": 0,
        "voice": rows[2]["voice"],
        "seconds": 2.0,
    }
    assert rows[6] == {
        "line": 4,
        "speaker": "ada",
        "text": "Line 4.",
        "seed": 4,
        "dropped": "nothing to speak",
    }
    assert rows[10] == {"line": 6, "dropped": "the line is empty"}
    assert [(each.speaker, each.spoken, each.dropped, each.seconds) for each in voices] == [
        ("ada", 4, 1, 8.0),
        ("bob", 6, 0, 12.0),
    ]
    assert len({row["file"] for row in rows if "file" in row}) == 10


def test_a_missing_shard_is_named(tmp_path: Path, made: Plan) -> None:
    write_ledgers(tmp_path / "plan", made, tmp_path / "ledgers")
    (tmp_path / "ledgers" / "00004.jsonl").unlink()
    with pytest.raises(InputError, match=r"1 of 6 shards have no ledger: 00004 \(bob\)"):
        gathered(tmp_path)


@pytest.mark.parametrize("change", ["first", "last", "twice", "other"])
def test_a_line_that_is_missing_or_another_is_noticed(tmp_path: Path, made: Plan, change: str) -> None:
    ledger = write_ledgers(tmp_path / "plan", made, tmp_path / "ledgers") / "00001.jsonl"
    assert [row["line"] for row in lines_of(tmp_path / "plan", "00001")] == [3, 4]
    third, fourth = ledger.read_text().splitlines(keepends=True)
    texts = {"first": fourth, "last": third, "twice": third + third + fourth, "other": third.replace("3", "9") + fourth}
    ledger.write_text(texts[change])
    with pytest.raises(InputError, match=r"the ledger of shard 00001 \(ada\)"):
        gathered(tmp_path)


def test_a_voice_that_was_replaced_half_way_is_noticed(tmp_path: Path, made: Plan) -> None:
    ledger = write_ledgers(tmp_path / "plan", made, tmp_path / "ledgers") / "00001.jsonl"
    ledger.write_text(ledger.read_text().replace("version of", "another version of", 1))
    with pytest.raises(InputError, match="was changed during synthesis"):
        gathered(tmp_path)
