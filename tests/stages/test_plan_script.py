import json
from pathlib import Path

import pytest

from tests.registry.conftest import make_voice
from voicemill.contract.ledger import latest
from voicemill.core.errors import InputError
from voicemill.stages.plan_script import plan_script


def test_what_fans_out_is_short_and_names_each_shards_voice(tmp_path: Path) -> None:
    voices = [str(make_voice(tmp_path / name, speaker=name)) for name in ("ada", "bob")]
    script = tmp_path / "script.txt"
    script.write_text("One.\nTwo.\n\nFour.\n")
    ledger = plan_script(tmp_path / "plan", script=str(script), voices=", ".join(voices), shard_lines=2)
    summary = ledger.summary()
    assert (summary["lines"], summary["empty"], summary["to_be_spoken"]) == (4, 1, 6)
    assert summary["shards"] == [
        {"shard": f"{number:05d}", "speaker": Path(voice).name, "voice-at": voice}
        for number, voice in enumerate(voice for voice in voices for _ in range(2))
    ]
    assert "Two." not in json.dumps(summary)


def test_mistakes_are_in_the_ledger_too(tmp_path: Path) -> None:
    voice = str(make_voice(tmp_path / "ada", speaker="ada"))
    with pytest.raises(InputError, match="the script has 2 mistakes"):
        plan_script(tmp_path / "plan", script='{"text": 1}\n{"texts": ""}', voices=voice)
    assert not (tmp_path / "plan").exists()
    ledger = latest.get()
    assert ledger and [(entry["outcome"], entry["line"]) for entry in ledger.entries] == [
        ("dropped", 1),
        ("dropped", 2),
    ]
