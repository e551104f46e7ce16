"""A script is checked as a whole and cut into shards of one voice each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.registry.conftest import make_voice
from tests.synthesis.bulk.script import lines_of, write_script
from voicemill.core.errors import InputError
from voicemill.registry import promote, publish, resolve
from voicemill.registry.names import Reference
from voicemill.storage import open_store
from voicemill.synthesis.bulk import Plan, planning, read_plan
from voicemill.synthesis.bulk.cast import Cast


def planned(script: Path | str, cast: Cast, folder: Path, shard_lines: int = 500) -> Plan:
    folder.mkdir()
    made = planning.plan(script, cast, folder, shard_lines=shard_lines)
    assert read_plan(folder) == made
    return made


def test_every_shard_is_of_one_voice_and_in_the_order_of_the_script(tmp_path: Path, ada: str, bob: str) -> None:
    rows = [{"text": "One."}, {"text": "Two.", "voice": "bob", "seed": 7}, {"text": "Three.", "language": "en"}, None]
    rows += [{"text": "Five.", "voice": "ada"}, {"text": "Six."}]
    made = planned(write_script(tmp_path / "s.jsonl", rows), Cast([ada, bob]), tmp_path / "plan", 3)
    assert (made.lines, made.empty, made.to_be_spoken()) == (6, 1, 8)
    assert [(shard.shard, shard.speaker, shard.voice, shard.lines) for shard in made.shards] == [
        ("00000", "ada", ada, 3),
        ("00001", "ada", ada, 1),
        ("00002", "bob", bob, 3),
        ("00003", "bob", bob, 1),
    ]
    assert [row["line"] for row in lines_of(tmp_path / "plan", "00000")] == [1, 3, 5]
    assert lines_of(tmp_path / "plan", "00002") == [
        {"line": 1, "text": "One."},
        {"line": 2, "text": "Two.", "seed": 7},
        {"line": 3, "text": "Three.", "language": "en"},
    ]
    assert lines_of(tmp_path / "plan", "empty") == [{"line": 4}]


def test_all_mistakes_are_listed_by_line_and_nothing_is_planned(tmp_path: Path, ada: str) -> None:
    rows = [
        {"text": "Fine."},
        {"text": "Who?", "voice": "carl"},
        {"text": "Bonjour.", "language": "fr"},
        {"text": "Fast.", "speed": 9},
        {"text": "Odd.", "sped": 1},
        {"text": "Gone.", "voice": f"{tmp_path}/nowhere"},
    ]
    script = write_script(tmp_path / "s.jsonl", rows)
    script.write_text(script.read_text() + "{not json\n")
    with pytest.raises(planning.Mistaken) as caught:
        planned(script, Cast([ada, ada, str(tmp_path / "empty")]), tmp_path / "plan")
    mistakes = {line: text for line, text in caught.value.mistakes if line}
    assert sorted(mistakes) == [2, 3, 4, 5, 6, 7]
    assert mistakes[2].startswith("unknown voice carl; give a registry to look it up in, or use one of: ada")
    assert "fr" in mistakes[3] and "not 9" in mistakes[4] and "sped" in mistakes[5]
    assert "not valid JSON" in mistakes[7]
    assert sum(not line for line, _ in caught.value.mistakes) == 2, "a duplicate voice and an unknown one"
    assert "s.jsonl has 8 mistakes; nothing was spoken:" in str(caught.value)
    assert "  line 4: the speed must lie between 0.25 and 4, not 9" in str(caught.value)
    assert list((tmp_path / "plan").iterdir()) == []


def test_a_line_without_any_voice_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(planning.Mistaken, match="line 2: it has no voice"):
        planned("\nGood morning.", Cast([]), tmp_path / "plan")


def test_a_script_of_empty_lines_is_refused(tmp_path: Path, ada: str) -> None:
    script = write_script(tmp_path / "s.jsonl", [{"text": " "}, {"text": ""}])
    with pytest.raises(InputError, match="has only empty lines"):
        planned(script, Cast([ada]), tmp_path / "plan")


def test_a_long_script_makes_larger_shards_and_no_more_than_a_thousand(tmp_path: Path, ada: str, bob: str) -> None:
    script = tmp_path / "s.txt"
    script.write_text("".join(f"Line {number}.\n" for number in range(1, 3002)))
    made = planned(script, Cast([ada, bob]), tmp_path / "plan", 2)
    assert planning.MOST_SHARDS / 2 < len(made.shards) <= planning.MOST_SHARDS
    assert made.to_be_spoken() == 2 * 3001 == sum(len(lines_of(tmp_path / "plan", each.shard)) for each in made.shards)


def test_an_alias_is_spoken_by_the_version_that_it_was_when_the_script_was_planned(tmp_path: Path) -> None:
    place = str(tmp_path / "registry")
    registry = open_store(place)
    first = publish(make_voice(tmp_path / "one", "one", speaker="ada"), registry).version
    promote(registry, resolve(registry, Reference("ada")), "prod", by="somebody")
    second = publish(make_voice(tmp_path / "two", "two", speaker="ada"), registry).version
    rows = [{"text": "One."}, {"text": "Two.", "voice": "ada@latest"}]
    made = planned(write_script(tmp_path / "s.jsonl", rows), Cast(["ada@prod"], place), tmp_path / "plan")
    assert [(shard.speaker, shard.voice) for shard in made.shards] == [
        ("ada", f"ada@{first}"),
        ("ada", f"ada@{second}"),
    ]


def test_voices_on_s3_are_looked_up_where_they_are(bucket: str, tmp_path: Path, ada: str) -> None:
    store = open_store(f"s3://{bucket}/voices/ada")
    for path in Path(ada).iterdir():
        store.upload(path, path.name)
    here, nowhere = f"s3://{bucket}/voices/ada", f"s3://{bucket}/voices/nobody"
    made = planned("Good morning.", Cast([here]), tmp_path / "plan")
    assert [(shard.speaker, shard.voice) for shard in made.shards] == [("ada", here)]
    with pytest.raises(planning.Mistaken, match="nobody is not a voice"):
        planned("Good morning.", Cast([nowhere]), tmp_path / "second")
