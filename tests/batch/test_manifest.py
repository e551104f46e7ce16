"""A manifest is checked as a whole: every mistake is listed with its line, and nothing is started."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.batch.conftest import WORKFLOW
from voicemill.batch import manifest, validation
from voicemill.batch.manifest import ManifestError
from voicemill.engine import workflow as workflows


def mistakes_in(path: Path, workflow: str = "clone-voice", **common: str) -> list[ManifestError]:
    read = manifest.read(path)
    return validation.jobs(read, {"models": str(path), **common}, workflows.load(workflow), folder=path.parent)[1]


def test_twenty_mistakes_are_twenty_lines_and_nothing_is_started(
    voicemill: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").mkdir()
    rows = [
        "speaker,source,language,version,sovits-epochs,overrides",
        ",there,en,v2,,",  # 1 no speaker
        "ben,,en,v2,,",  # 2 no source
        "cat,nowhere,en,v2,,",  # 3
        "dan,there,english,v2,,",  # 4
        "eve,there,en,v5,,",  # 5
        "fay,there,en,v2,many,",  # 6
        "gus,there,en,v2,0,",  # 7
        "ann/x,there,en,v2,,",  # 8
        "hal,there,en,v2,,speed=2",  # 9
        "ida,there,en,v2,,gpt-epochs",  # 10
        "jim,there,en,v2,,gpt-epochs=1; gpt-epochs=2",  # 11
        "kim,there,en,v2,,speaker=leo",  # 12
        "cat,there,en,v2,,",  # 13 the speaker of line 4
        "leo,there,en,v2,,,,",  # 14 too many cells
        "mia,there,xx,v2,-1,",  # 15 and 16
        "ned,there,en,v2,,transcripts-file=labels/none.list",  # 17
        "ova,there,en,v2,,export-reference=maybe",  # 18
        "pat,there,en,v2,,sovits-epochs=0",  # 19
        "_qu,there,en,v2,,",  # 20
    ]
    (tmp_path / "m.csv").write_text("\n".join(rows))
    assert voicemill("batch", tmp_path / "m.csv", "--out", tmp_path / "out", "-p", f"models={tmp_path}") == 65
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith(f"{tmp_path / 'm.csv'}:")]
    lines = [int(line.removeprefix(f"{tmp_path / 'm.csv'}:").partition(":")[0]) for line in told]
    assert len(told) == 20, "\n".join(told)
    assert lines == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16, 17, 18, 19, 20]
    assert not (tmp_path / "out").exists()


def test_the_same_rows_are_read_from_csv_and_from_json_lines(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "m.csv").write_text(
        '\ufeffspeaker,source,language,gpt-epochs,overrides\nanna,anna,en,12,"export-reference=true; sovits-epochs=3"\n'
        '\nben,"anna",,,\n',
        encoding="utf-8",
    )
    objects = [
        {"speaker": "anna", "source": "anna", "language": "en", "gpt-epochs": 12}
        | {"overrides": {"export-reference": True, "sovits-epochs": 3}},
        {"speaker": "ben", "source": "anna", "language": None},
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, objects)))
    chosen = workflows.load("clone-voice")
    results = [
        validation.jobs(manifest.read(tmp_path / name), {"models": "/"}, chosen, folder=tmp_path)
        for name in ("m.csv", "m.jsonl")
    ]
    assert [errors for _, errors in results] == [[], []]
    (csv, _), (lines, _) = results
    assert [job.values for job in csv] == [job.values for job in lines]
    assert csv[0].values == {
        "models": "/",
        "speaker": "anna",
        "source": str(tmp_path / "anna"),
        "language": "en",
        "gpt-epochs": "12",
        "export-reference": "true",
        "sovits-epochs": "3",
    }
    assert csv[1].values == {"models": "/", "speaker": "ben", "source": str(tmp_path / "anna")}


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("", 1, "the manifest has no rows"),
        ("speaker,source\n", 1, "the manifest has no rows"),
        ("name,source\nanna,.\n", 1, "the column speaker is missing"),
        ("speaker;source\nanna;.\n", 1, "separate columns with commas"),
        ("speaker,source,speaker\nanna,.,\n", 1, "the column speaker appears twice"),
        ("speaker,source,colour\nanna,.,red\nben,.,blue\n", 1, "colour: clone-voice has no such parameter"),
        ('speaker,source\n"anna,.\n', 2, "is not valid CSV"),
    ],
)
def test_what_is_wrong_with_the_whole_file_is_told_once(tmp_path: Path, content: str, line: int, words: str) -> None:
    (tmp_path / "m.csv").write_text(content)
    found = mistakes_in(tmp_path / "m.csv")
    assert any(error.line == line and words in error.text for error in found), found
    assert len(found) <= 2


def test_lines_that_are_no_json_objects_are_told(tmp_path: Path) -> None:
    lines = ['{"speaker": "anna", "source": "."', "[1]", '{"speaker": "ben", "source": ".", "language": ["en"]}']
    (tmp_path / "m.jsonl").write_text("\n\n".join(lines))
    found = mistakes_in(tmp_path / "m.jsonl")
    assert [error.line for error in found] == [1, 3, 5]
    words = ("not valid JSON", "not a JSON object", "must be a string")
    assert all(word in error.text for word, error in zip(words, found, strict=True))


@pytest.mark.parametrize("other", ["Caf\u00e9", "cafe\u0301"])
def test_two_spellings_of_a_name_are_one_speaker(tmp_path: Path, other: str) -> None:
    (tmp_path / "m.csv").write_text(f"speaker,source\ncaf\u00e9,.\n{other},.\n")
    (found,) = mistakes_in(tmp_path / "m.csv")
    assert found.line == 3 and "is already on line 2" in found.text


def test_a_row_that_spans_lines_is_told_by_its_first(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text('speaker,source,text\nanna,.,"One.\nTwo."\nben,nowhere,\n')
    assert [error.line for error in mistakes_in(tmp_path / "m.csv")] == [4]


def test_a_source_on_s3_is_looked_for(tmp_path: Path, bucket: str) -> None:
    from voicemill.storage import open_store

    open_store(f"s3://{bucket}/in").write("anna/a.wav", b"x")
    rows = [f"anna,s3://{bucket}/in/anna", f"ben,s3://{bucket}/in/ben", f"cat,s3://{bucket}/in/anna/a.wav"]
    (tmp_path / "m.csv").write_text("\n".join(["speaker,source", *rows, "dan,s3://no-such-bucket/x"]))
    found = mistakes_in(tmp_path / "m.csv", str(WORKFLOW))
    assert [error.line for error in found] == [3, 5] and "nothing found at s3://" in found[0].text


@pytest.mark.parametrize("word", ["source=x", "speed=2", "language=xx", "models=missing/folder"])
def test_what_is_wrong_for_all_is_told_by_the_command_line(
    voicemill: Callable[..., int], tmp_path: Path, speakers: Callable[..., Path], word: str
) -> None:
    manifest = speakers(anna="x")
    assert voicemill("batch", manifest, "--out", tmp_path / "out", "-p", word) == 64
    assert not (tmp_path / "out").exists()


def test_check_starts_nothing(
    voicemill: Callable[..., int], speakers: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert voicemill("batch", "check", speakers(anna="x", ben="y"), "--workflow", WORKFLOW) == 0
    assert "2 speakers, no mistakes" in capsys.readouterr().out


def test_the_pages_manifest_has_no_mistakes(tmp_path: Path) -> None:
    page = (WORKFLOW.parents[2] / "docs" / "how-to" / "batches.md").read_text()
    rows = [line.strip() for line in page.splitlines() if line.startswith(("    speaker,", "    anna,", "    ben,"))]
    (tmp_path / "m.csv").write_text("\n".join(rows))
    read = manifest.read(tmp_path / "m.csv")
    chosen = workflows.load("clone-voice")
    jobs, errors = validation.jobs(read, {"models": "models"}, chosen, folder=tmp_path, look=False)
    assert errors == []
    assert jobs[1].values["transcripts-file"] == str(tmp_path / "labels" / "ben.list")
    assert jobs[1].values["consent"] == "Agreed in writing"
