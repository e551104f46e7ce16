"""Damaged records and caches lead to work being done again; nothing that a run did not export is ever removed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.running import POD, ROOM, node, phases, run, write
from voicemill.engine import workflow as workflows
from voicemill.engine.digests import Digests
from voicemill.engine.execution import Options
from voicemill.engine.run import Result
from voicemill.engine.run import run as run_workflow
from voicemill.engine.workflow import RunFolderError, UnsupportedWorkflow

MAKE = "import os, sys; os.makedirs(sys.argv[1]); [open(f'{sys.argv[1]}/{n}', 'w').write(n * 20000) for n in 'ab']"
READ = "import os, sys; open(sys.argv[2], 'w').write(' '.join(sorted(os.listdir(sys.argv[1]))))"
DAMAGE = {
    "empty": b"",
    "an empty object": b"{}",
    "a list": b"[]",
    "a number": b"9" * 6000,
    "null": b"null",
    "cut off": b'{"key": "0',
    "not UTF-8": b"\xff\xfe{",
    "nested deeply": b"[" * 100_000,
    "NaN": b'{"key": NaN, "workflow": NaN, "created": NaN}',
    "other types": json.dumps(
        {"key": 1, "parameters": [], "outputs": [], "result": {}, "exit_code": "", "started": "", "finished": None}
        | {"workflow": ["w"], "name": 1, "uid": {}, "created": "yesterday"}
    ).encode(),
}


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    """make puts a folder out, read says what is in it; both are exported, the page by a hard link."""
    tasks = [
        {"name": "make", "template": "make"},
        {
            "name": "read",
            "template": "read",
            "depends": "make",
            "arguments": {"artifacts": [{"name": "folder", "from": "{{tasks.make.outputs.artifacts.folder}}"}]},
        },
    ]
    exported = [
        {"name": "voice", "from": "{{tasks.make.outputs.artifacts.folder}}"},
        {"name": "page.txt", "from": "{{tasks.read.outputs.artifacts.page}}"},
    ]
    return write(
        tmp_path / "w.yaml",
        {"name": "main", "dag": {"tasks": tasks}, "outputs": {"artifacts": exported}},
        {
            "name": "make",
            "outputs": {"artifacts": [{"name": "folder", "path": "/tmp/folder"}]},
            "container": {**POD, "args": [MAKE, "{{outputs.artifacts.folder.path}}"]},
        },
        {
            "name": "read",
            "inputs": {"artifacts": [{"name": "folder", "path": "/tmp/folder"}]},
            "outputs": {"artifacts": [{"name": "page", "path": "/tmp/page"}]},
            "container": {**POD, "args": [READ, "{{inputs.artifacts.folder.path}}", "{{outputs.artifacts.page.path}}"]},
        },
    )


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where digests are remembered, of this test alone."""
    monkeypatch.setenv("VOICEMILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "digests.sqlite"


def verified(workflow: Path, folder: Path) -> Result:
    return run_workflow(workflows.load(str(workflow)), {}, folder, slots=ROOM, options=Options(verify=True))


@pytest.mark.parametrize("damage", [*DAMAGE.values(), None], ids=[*DAMAGE, "a folder"])
def test_a_task_with_a_damaged_record_runs_again(workflow: Path, tmp_path: Path, damage: bytes | None) -> None:
    folder = tmp_path / "run"
    run(workflow, folder)
    record = folder / "make" / "_SUCCESS.json"
    record.unlink()
    if damage is None:
        record.mkdir()
        (record / "inside").touch()
    else:
        record.write_bytes(damage)
    assert phases(run(workflow, folder)) == {"make": "Succeeded", "read": "Cached"}
    assert phases(run(workflow, folder)) == {"make": "Cached", "read": "Cached"}


def test_a_record_that_names_other_places_is_not_followed(workflow: Path, tmp_path: Path) -> None:
    run(workflow, tmp_path / "run")
    path = tmp_path / "run" / "make" / "_SUCCESS.json"
    record = json.loads(path.read_text())
    record["outputs"]["../../../etc"] = {}
    path.write_text(json.dumps(record))
    assert phases(run(workflow, tmp_path / "run"))["make"] == "Succeeded"


@pytest.mark.parametrize("damage", [*DAMAGE.values(), None], ids=[*DAMAGE, "a folder"])
def test_a_damaged_run_json_is_put_aside_and_what_is_done_stays_done(
    workflow: Path, tmp_path: Path, damage: bytes | None
) -> None:
    folder = tmp_path / "run"
    run(workflow, folder)
    (folder / "run.json").unlink()
    if damage is None:
        (folder / "run.json").mkdir()
        (folder / "run.json" / "mine.txt").write_text("precious")
    else:
        (folder / "run.json").write_bytes(damage)
    assert phases(run(workflow, folder)) == {"make": "Cached", "read": "Cached"}
    (aside,) = folder.glob("run.json.damaged-*")
    assert aside.is_dir() if damage is None else aside.read_bytes() == damage
    assert json.loads((folder / "run.json").read_text())["workflow"] == "w"


def valid_but_other(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE files (name TEXT)")
    database.close()


def cut_off(path: Path) -> None:
    digests = Digests(path)
    for number in range(300):
        (path.parent / f"{number}").write_text("x")
        digests.file(path.parent / f"{number}")
    digests.close()
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no database at all, but long enough to be read" * 100),
        lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096),
        lambda path: path.with_name("digests.sqlite-wal").write_bytes(b"\xff" * 4096),
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("/nowhere/at/all"),
        valid_but_other,
        cut_off,
    ],
    ids=["empty", "text", "a header alone", "its WAL", "a folder", "a dangling link", "another table", "cut off"],
)
def test_a_damaged_memory_of_digests_costs_nothing_but_reading_again(
    workflow: Path, tmp_path: Path, memory: Path, damage: Callable[[Path], None]
) -> None:
    memory.parent.mkdir()
    damage(memory)
    assert str(run(workflow, tmp_path / "run").phase) == "Succeeded"
    assert phases(run(workflow, tmp_path / "run")) == {"make": "Cached", "read": "Cached"}


def test_a_memory_that_is_damaged_while_it_is_open_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    digests = Digests(tmp_path / "digests.sqlite")
    before = digests.file(tmp_path / "a")
    digests.close()
    digests = Digests(tmp_path / "digests.sqlite")
    (tmp_path / "digests.sqlite").write_bytes(b"\xff" * 20_000)
    assert digests.file(tmp_path / "a") == before
    digests.close()
    assert Digests(tmp_path / "digests.sqlite").file(tmp_path / "a") == before


def test_what_is_remembered_counts_only_where_it_is_a_digest(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    digests = Digests(tmp_path / "digests.sqlite")
    before = digests.file(tmp_path / "a")
    for value in (None, 5, b"\xff", "x", before.upper()):
        with sqlite3.connect(tmp_path / "digests.sqlite") as database:
            database.execute("UPDATE files SET digest = ?", (value,))
        assert digests.file(tmp_path / "a") == before


def test_links_in_a_circle_pipes_and_foreign_names_have_a_digest(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "self").symlink_to(folder)
    (folder / "gone").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xc4\xe3.wav")).write_text("a name in GBK")
    digests = Digests(tmp_path / "digests.sqlite")
    before = digests.tree(folder)
    assert digests.tree(folder) == before
    (folder / "gone").unlink()
    assert digests.tree(folder) != before


def test_files_of_the_user_in_a_run_folder_stay_whatever_links_they_are(workflow: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "notes.txt").write_text("precious")
    os.link(tmp_path / "notes.txt", folder / "notes.txt")
    (folder / "kept.txt").symlink_to("notes.txt")
    run(workflow, folder)
    os.link(folder / "run.json", tmp_path / "run.json")
    os.link(folder / "read" / "page", folder / "my copy of the page")
    name = json.loads((folder / "run.json").read_text())["name"]
    assert phases(run(workflow, folder)) == {"make": "Cached", "read": "Cached"}
    assert (folder / "notes.txt").read_text() == (folder / "kept.txt").read_text() == "precious"
    assert json.loads((folder / "run.json").read_text())["name"] == name
    assert (folder / "my copy of the page").read_text() == "a b"


@pytest.mark.parametrize("name", ["voice", "page.txt"])
def test_what_has_the_name_of_an_export_and_is_none_is_never_replaced(
    workflow: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "run"
    run(workflow, folder)
    (folder / name).unlink()
    (folder / name).mkdir()
    (folder / name / "mine.txt").write_text("precious")
    with pytest.raises(RunFolderError, match=f"{name} was not exported by a run.*move it away"):
        run(workflow, folder)
    assert (folder / name / "mine.txt").read_text() == "precious"
    shutil.move(folder / name, tmp_path / "away")
    assert sorted(run(workflow, folder).exports) == ["page.txt", "voice"]


def test_an_export_that_was_saved_over_is_never_replaced(workflow: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(workflow, folder)
    (tmp_path / "edited").write_text("edited")
    (tmp_path / "edited").replace(folder / "page.txt")
    with pytest.raises(RunFolderError, match=r"page\.txt"):
        run(workflow, folder)
    assert (folder / "page.txt").read_text() == "edited"


@pytest.mark.parametrize("record", ["kept", "lost", "damaged"])
def test_exports_are_renewed_also_in_a_copy_of_the_folder_and_without_their_record(
    workflow: Path, tmp_path: Path, record: str
) -> None:
    run(workflow, tmp_path / "first")
    folder = tmp_path / "first" if record != "kept" else tmp_path / "copy"
    if record == "kept":
        shutil.copytree(tmp_path / "first", folder, symlinks=True)  # which makes two files of a hard link
    elif record == "lost":
        (folder / ".exports.json").unlink()
    else:
        (folder / ".exports.json").write_bytes(b"[" * 100_000)
    assert sorted(run(workflow, folder).exports) == ["page.txt", "voice"]
    assert (folder / "page.txt").samefile(folder / "read" / "page")
    assert sorted(os.listdir(folder / "voice")) == ["a", "b"]


def test_an_export_with_the_name_of_a_file_of_the_run_is_refused(workflow: Path, tmp_path: Path) -> None:
    workflow.write_text(workflow.read_text().replace("name: page.txt", "name: run.json"))
    with pytest.raises(UnsupportedWorkflow, match=r"over the file run\.json"):
        run(workflow, tmp_path / "run")


def test_a_folder_that_no_run_made_is_not_emptied_for_a_task(workflow: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "make"
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("precious")
    result = run(workflow, tmp_path / "run")
    assert phases(result)["make"] == "Error"
    assert "no run of voicemill wrote, such as 'mine.txt'" in node(result, "make").message
    assert (folder / "mine.txt").read_text() == "precious"
    shutil.rmtree(folder)
    folder.write_text("a file")
    assert "is in the way" in node(run(workflow, tmp_path / "run"), "make").message
    assert folder.read_text() == "a file"


def keeping_its_time(path: Path, at: int) -> None:
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[at : at + 3] = b"\0\0\0"
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: os.truncate(folder / "a", 100), "'a' was changed"),
        (lambda folder: (folder / "b").unlink(), "'b' is missing"),
        (lambda folder: (folder / "c").write_text("c"), "'c' was added"),
        (lambda folder: keeping_its_time(folder / "a", 0), "'a' was changed"),
        (lambda folder: keeping_its_time(folder / "a", 19_990), "'a' was changed"),
        (lambda folder: (folder / "a").write_text("x" * 20_000), "'a' was changed"),
    ],
    ids=["cut off", "missing", "added", "the beginning", "the end", "written over"],
)
def test_an_output_that_was_changed_is_kept_and_told_and_what_depends_on_it_runs_again(
    workflow: Path, tmp_path: Path, damage: Callable[[Path], None], told: str
) -> None:
    folder = tmp_path / "run"
    run(workflow, folder)
    damage(folder / "make" / "folder")
    content = {path.name: path.read_bytes() for path in (folder / "make" / "folder").iterdir()}
    result = run(workflow, folder)
    assert phases(result) == {"make": "Cached", "read": "Succeeded"}
    assert f"folder ({told})" in node(result, "make").message
    assert told in (folder / "run.jsonl").read_text()
    assert {path.name: path.read_bytes() for path in (folder / "make" / "folder").iterdir()} == content
    assert phases(run(workflow, folder)) == {"make": "Cached", "read": "Cached"}
    (folder / "make" / "_SUCCESS.json").unlink()  # as the message says
    assert phases(run(workflow, folder)) == {"make": "Succeeded", "read": "Succeeded"}
    assert node(run(workflow, folder), "make").message == ""


def test_an_output_that_nobody_reads_is_looked_at_too(workflow: Path, tmp_path: Path) -> None:
    run(workflow, tmp_path / "run")
    os.truncate(tmp_path / "run" / "read" / "page", 1)
    result = run(workflow, tmp_path / "run")
    assert phases(result) == {"make": "Cached", "read": "Cached"}
    assert "page ('page' was changed)" in node(result, "read").message


def test_verify_finds_a_changed_byte_in_the_middle(workflow: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(workflow, folder)
    run(workflow, folder)
    keeping_its_time(folder / "make" / "folder" / "a", 10_000)
    assert phases(run(workflow, folder)) == {"make": "Cached", "read": "Cached"}
    result = verified(workflow, folder)
    assert phases(result) == {"make": "Cached", "read": "Succeeded"}
    assert "'a' was changed" in node(result, "make").message


def test_an_emptied_output_and_one_of_another_kind_are_made_again(workflow: Path, tmp_path: Path) -> None:
    output = tmp_path / "run" / "make" / "folder"
    run(workflow, tmp_path / "run")
    for path in output.iterdir():
        path.unlink()
    assert phases(run(workflow, tmp_path / "run")) == {"make": "Succeeded", "read": "Cached"}
    shutil.rmtree(output)
    output.write_text("a file")
    assert phases(run(workflow, tmp_path / "run")) == {"make": "Succeeded", "read": "Cached"}


def test_a_line_of_events_that_was_cut_off_does_not_spoil_the_next(workflow: Path, tmp_path: Path) -> None:
    run(workflow, tmp_path / "run")
    events = tmp_path / "run" / "run.jsonl"
    events.write_text(events.read_text() + '{"time": 1')
    before = len(events.read_text().splitlines())
    run(workflow, tmp_path / "run")
    assert all(json.loads(line) for line in events.read_text().splitlines()[before:])
