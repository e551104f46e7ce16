import json
from pathlib import Path

import pytest

from tests.registry.conftest import make_voice
from tests.synthesis.bulk.script import write_ledgers
from voicemill.core.errors import InputError
from voicemill.stages.collect_speech import collect_speech
from voicemill.stages.plan_script import plan_script
from voicemill.synthesis.bulk import read_plan

PLACE = "voices/{speaker}/run/synthesize/speech/{shard}"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    voices = [str(make_voice(tmp_path / name, speaker=name)) for name in ("ada", "bob")]
    plan_script(tmp_path / "plan", script="One.\n\nThree.", voices=",".join(voices))
    return tmp_path / "plan"


def test_what_comes_in_is_spoken_or_not_and_a_silent_voice_is_told(tmp_path: Path, plan: Path) -> None:
    ledgers = write_ledgers(plan, read_plan(plan), tmp_path / "ledgers", lambda speaker, line: speaker == "bob")
    ledger = collect_speech(plan, ledgers, tmp_path / "manifest.jsonl", place=PLACE)
    summary = ledger.summary()
    assert (summary["spoken"], summary["not_spoken"], summary["seconds"]) == (2, 3, 4.0)
    assert summary["spoken"] + summary["not_spoken"] == len((tmp_path / "manifest.jsonl").read_text().splitlines())
    (reason,) = [entry["reason"] for entry in ledger.entries if entry["outcome"] == "dropped"]
    assert reason == "it could not speak any of its lines; first reason: line 1: nothing to speak"


def test_a_script_of_which_nothing_was_spoken_fails(tmp_path: Path, plan: Path) -> None:
    ledgers = write_ledgers(plan, read_plan(plan), tmp_path / "ledgers", lambda speaker, line: True)
    with pytest.raises(InputError, match="0 voices that spoke at least one line"):
        collect_speech(plan, ledgers, tmp_path / "manifest.jsonl", place=PLACE)
    assert not (tmp_path / "manifest.jsonl").exists()


def test_a_manifest_appears_whole_or_not_at_all(tmp_path: Path, plan: Path) -> None:
    ledgers = write_ledgers(plan, read_plan(plan), tmp_path / "ledgers")
    (ledgers / "00001.jsonl").write_text(json.dumps({"item": "000009", "outcome": "kept"}) + "\n")
    with pytest.raises(InputError, match="00001"):
        collect_speech(plan, ledgers, tmp_path / "manifest.jsonl", place=PLACE)
    assert not (tmp_path / "manifest.jsonl").exists()


def test_what_became_of_verified_lines_is_counted_and_stands_in_the_manifest(tmp_path: Path, plan: Path) -> None:
    ledgers = write_ledgers(plan, read_plan(plan), tmp_path / "ledgers")
    wrong = {"outcome": "unfixable", "causes": ["ending"], "before": {"causes": ["ending", "run"]}}
    found = iter([{"outcome": "verified", "causes": []}, wrong, {"outcome": "failed", "causes": ["run"]}, {}])
    for file in sorted(ledgers.glob("*.jsonl")):
        rows = [json.loads(row) for row in file.read_text().splitlines()]
        for row in rows:
            row |= {"verification": record} if (record := next(found)) else {}
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = collect_speech(plan, ledgers, tmp_path / "manifest.jsonl", place=PLACE).summary()
    assert summary["verification"] == {
        "verified": 1, "unfixable": 1, "failed": 1, "failed_at_first_for": {"run": 2, "ending": 1},
    }  # fmt: skip
    lines = [json.loads(row) for row in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert sum("verification" in line for line in lines) == 3
