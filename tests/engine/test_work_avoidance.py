"""What is done is not done again: by content of inputs, parameters and command, not by time or place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.running import POD, node, phases, run, write
from voicemill.engine.cache import key_of
from voicemill.engine.digests import Digests

COPY = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2])"
COUNT = (
    "import os, sys; os.makedirs(sys.argv[2]); open(sys.argv[2] + '/n', 'w').write(str(len(os.listdir(sys.argv[1]))))"
)


def chain(*, speaker: str = "{{workflow.parameters.speaker}}") -> list[dict[str, Any]]:
    """take (a Location) -> count, and label, which has the speaker as its parameter."""
    return [
        {
            "name": "main",
            "outputs": {"artifacts": [{"name": "counted", "from": "{{tasks.count.outputs.artifacts.counted}}"}]},
            "dag": {
                "tasks": [
                    {
                        "name": "take",
                        "template": "take",
                        "arguments": {
                            "parameters": [{"name": "source", "value": "{{workflow.parameters.source}}"}],
                        },
                    },
                    {
                        "name": "count",
                        "template": "count",
                        "depends": "take",
                        "arguments": {
                            "artifacts": [{"name": "audio", "from": "{{tasks.take.outputs.artifacts.audio}}"}]
                        },
                    },
                    {
                        "name": "label",
                        "template": "label",
                        "arguments": {"parameters": [{"name": "speaker", "value": speaker}]},
                    },
                ]
            },
        },
        {
            "name": "take",
            "metadata": {"annotations": {"voicemill.dev/locations": "source"}},
            "inputs": {"parameters": [{"name": "source"}]},
            "outputs": {"artifacts": [{"name": "audio", "path": "/tmp/audio"}]},
            "container": {
                **POD,
                "args": [COPY, "{{inputs.parameters.source}}", "{{outputs.artifacts.audio.path}}"],
            },
        },
        {
            "name": "count",
            "inputs": {"artifacts": [{"name": "audio", "path": "/tmp/in"}]},
            "outputs": {"artifacts": [{"name": "counted", "path": "/tmp/counted"}]},
            "container": {
                **POD,
                "args": [COUNT, "{{inputs.artifacts.audio.path}}", "{{outputs.artifacts.counted.path}}"],
            },
        },
        {
            "name": "label",
            "inputs": {"parameters": [{"name": "speaker"}]},
            "container": {**POD, "args": ["print('{{inputs.parameters.speaker}}')"]},
        },
    ]


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    return write(tmp_path / "w.yaml", *chain(), parameters=("source", "speaker"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.wav").write_text("a")
    return folder


def test_unchanged_run_runs_nothing(workflow: Path, source: Path, tmp_path: Path) -> None:
    first = run(workflow, tmp_path / "run", source=str(source), speaker="lj")
    assert phases(first) == {"take": "Succeeded", "count": "Succeeded", "label": "Succeeded"}
    again = run(workflow, tmp_path / "run", source=str(source), speaker="lj")
    assert phases(again) == {"take": "Cached", "count": "Cached", "label": "Cached"}
    assert (tmp_path / "run" / "counted" / "n").read_text() == "1"


def test_changed_parameter_runs_what_depends_on_it_and_no_more(workflow: Path, source: Path, tmp_path: Path) -> None:
    run(workflow, tmp_path / "run", source=str(source), speaker="lj")
    again = run(workflow, tmp_path / "run", source=str(source), speaker="anna")
    assert phases(again) == {"take": "Cached", "count": "Cached", "label": "Succeeded"}


def test_location_counts_by_content_not_by_name(workflow: Path, source: Path, tmp_path: Path) -> None:
    run(workflow, tmp_path / "run", source=str(source), speaker="lj")
    moved = source.rename(tmp_path / "elsewhere")
    assert phases(run(workflow, tmp_path / "run", source=str(moved), speaker="lj"))["take"] == "Cached"
    (moved / "b.wav").write_text("b")
    again = run(workflow, tmp_path / "run", source=str(moved), speaker="lj")
    assert phases(again) == {"take": "Succeeded", "count": "Succeeded", "label": "Cached"}
    assert (tmp_path / "run" / "counted" / "n").read_text() == "2"


def test_output_edited_by_hand_is_kept_and_what_depends_on_it_runs_again(
    workflow: Path, source: Path, tmp_path: Path
) -> None:
    run(workflow, tmp_path / "run", source=str(source), speaker="lj")
    (tmp_path / "run" / "take" / "audio" / "extra.wav").write_text("by hand")
    again = run(workflow, tmp_path / "run", source=str(source), speaker="lj")
    assert phases(again) == {"take": "Cached", "count": "Succeeded", "label": "Cached"}
    assert (tmp_path / "run" / "counted" / "n").read_text() == "2"


def test_lost_output_is_made_again(workflow: Path, source: Path, tmp_path: Path) -> None:
    run(workflow, tmp_path / "run", source=str(source), speaker="lj")
    (tmp_path / "run" / "count" / "counted" / "n").unlink()
    (tmp_path / "run" / "count" / "counted").rmdir()
    again = run(workflow, tmp_path / "run", source=str(source), speaker="lj")
    assert phases(again) == {"take": "Cached", "count": "Succeeded", "label": "Cached"}


def test_changed_command_runs_again(workflow: Path, source: Path, tmp_path: Path) -> None:
    run(workflow, tmp_path / "run", source=str(source), speaker="lj")
    write(workflow, *chain(speaker="a {{workflow.parameters.speaker}}"), parameters=("source", "speaker"))
    assert phases(run(workflow, tmp_path / "run", source=str(source), speaker="lj"))["label"] == "Succeeded"


def test_failed_task_is_tried_again_by_the_next_run_and_done_ones_are_not(tmp_path: Path) -> None:
    marker = tmp_path / "fixed"
    tasks = [{"name": "a", "template": "a"}, {"name": "b", "template": "b", "depends": "a"}]
    fail_until_mended = f"import os, sys; sys.exit(0 if os.path.exists({str(marker)!r}) else 65)"
    templates = [
        {"name": "main", "dag": {"tasks": tasks}},
        {"name": "a", "container": {**POD, "args": ["print('a')"]}},
        {"name": "b", "container": {**POD, "args": [fail_until_mended]}},
    ]
    path = write(tmp_path / "w.yaml", *templates)
    failed = run(path, tmp_path / "run")
    assert (failed.exit_code, phases(failed)) == (65, {"a": "Succeeded", "b": "Failed"})
    marker.touch()
    assert phases(run(path, tmp_path / "run")) == {"a": "Cached", "b": "Succeeded"}


def test_state_survives_tries_and_other_inputs_whose_stage_decides_what_it_is_worth(tmp_path: Path) -> None:
    count = (
        "import os, sys; state = sys.argv[1] + '/n'; n = int(open(state).read()) if os.path.exists(state) else 0; "
        "open(state, 'w').write(str(n + 1)); assert not os.path.exists(sys.argv[2]); "
        "open(sys.argv[2], 'w').write(str(n)); sys.exit(0 if n >= 2 else 75)"
    )
    template = {
        "name": "main",
        "metadata": {"annotations": {"voicemill.dev/state": "state"}},
        "inputs": {"parameters": [{"name": "state", "default": "/state"}]},
        "outputs": {"artifacts": [{"name": "n", "path": "/tmp/n.txt"}]},
        "retryStrategy": {"limit": "3", "expression": "lastRetry.exitCode == '75'"},
        "container": {
            **POD,
            "args": [
                count,
                "{{inputs.parameters.state}}",
                "{{outputs.artifacts.n.path}}",
                "{{workflow.parameters.speaker}}",
            ],
        },
    }
    path = write(tmp_path / "w.yaml", template, parameters=("speaker",))
    result = run(path, tmp_path / "run", speaker="lj")
    assert (result.phase, len(node(result, "main").children)) == ("Succeeded", 3)
    assert (tmp_path / "run" / "n.txt").read_text() == "2"
    again = run(path, tmp_path / "run", speaker="anna")
    assert (again.phase, len(node(again, "main").children)) == ("Succeeded", 1)


def test_each_place_of_a_list_counts_by_its_content(tmp_path: Path) -> None:
    digests = Digests(tmp_path / "digests.sqlite")
    for name in ("ada", "bob", "copy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "voice.json").write_text(name[0])

    def key(*names: str) -> str:
        places = ",".join(str(tmp_path / name) for name in names)
        return key_of({"command": ["speak"]}, {}, {"voices": places}, digests, lambda module: "")

    both = key("ada", "bob")
    assert key("bob", "ada") != both
    (tmp_path / "copy" / "voice.json").write_text("b")
    assert key("ada", "copy") == both
    (tmp_path / "bob" / "voice.json").write_text("changed")
    assert key("ada", "bob") != both
