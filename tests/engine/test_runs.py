"""A whole run: exports, ledgers, events, exit code and the last words, from files of YAML and of Hera."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.engine.running import POD, ROOM, node, phases, run, write
from voicemill.cli.run import pairs
from voicemill.contract.workflow_parameters import Here, parameters_of
from voicemill.core.errors import UsageError
from voicemill.core.path_values import path_values_of
from voicemill.engine import workflow as workflows
from voicemill.engine.container import last_words

WRITE = "import sys; [open(path, 'w').write(text) for path, text in zip(sys.argv[1::2], sys.argv[2::2])]"


def make(name: str, suffix: str, ledger: str = "") -> dict[str, Any]:
    """A template with one artifact called like itself and a ledger."""
    args = [WRITE, f"{{{{outputs.artifacts.{name}.path}}}}", name, "{{outputs.artifacts.ledger.path}}", ledger]
    artifacts = [
        {"name": name, "path": f"/tmp/out/{name}{suffix}"},
        {"name": "ledger", "path": "/tmp/out/ledger.jsonl", "optional": True},
    ]
    return {"name": name, "outputs": {"artifacts": artifacts}, "container": {**POD, "args": args}}


def test_outputs_are_exported_and_ledgers_gathered(tmp_path: Path) -> None:
    main = {
        "name": "main",
        "outputs": {"artifacts": [{"name": "voice", "from": "{{tasks.publish.outputs.artifacts.publish}}"}]},
        "dag": {"tasks": [{"name": "publish", "template": "publish"}]},
    }
    publish = make("publish", "", ledger='{"item": "a", "kept": true}\n{"item": "b", "kept": false}\n')
    path = write(tmp_path / "w.yaml", main, publish, make("page", ".html"), onExit="page")
    result = run(path, tmp_path / "run")
    assert sorted(result.exports) == ["page.html", "voice"]
    assert (tmp_path / "run" / "voice").read_text() == "publish"
    assert (tmp_path / "run" / "page.html").read_text() == "page"
    lines = [json.loads(line) for line in (tmp_path / "run" / "ledger.jsonl").read_text().splitlines()]
    assert lines == [
        {"task": "publish", "item": "a", "kept": True},
        {"task": "publish", "item": "b", "kept": False},
    ]
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    assert (moved / "voice").read_text() == "publish"


def test_a_failed_run_takes_back_what_an_earlier_one_exported(tmp_path: Path) -> None:
    flag = tmp_path / "fail"
    code = f"import os, sys; open(sys.argv[1], 'w').write('v'); sys.exit(65 if os.path.exists({str(flag)!r}) else 0)"
    main = {
        "name": "main",
        "outputs": {"artifacts": [{"name": "voice", "path": "/tmp/voice"}]},
        "container": {**POD, "args": [code, "{{outputs.artifacts.voice.path}}", "{{workflow.parameters.seed}}"]},
    }
    path = write(tmp_path / "w.yaml", main, parameters=("seed",))
    run(path, tmp_path / "run", seed="1")
    assert (tmp_path / "run" / "voice").exists()
    flag.touch()
    assert run(path, tmp_path / "run", seed="2").exit_code == 65
    assert not (tmp_path / "run" / "voice").is_symlink()


def test_another_name_for_an_export(tmp_path: Path) -> None:
    path = write(tmp_path / "w.yaml", {**make("page", ""), "name": "main"})
    text = path.read_text().replace("name: w\n", "name: w\n  annotations: {voicemill.dev/exports: page=page.html}\n")
    path.write_text(text)
    assert list(run(path, tmp_path / "run").exports) == ["page.html"]


def test_what_a_fan_out_makes_is_linked_under_its_keys(tmp_path: Path) -> None:
    tasks = [
        {
            "name": "speak",
            "template": "speak",
            "withParam": "{{workflow.parameters.parts}}",
            "arguments": {"parameters": [{"name": "part", "value": "{{item}}"}]},
        }
    ]
    speak = {
        **make("speech", ""),
        "name": "speak",
        "inputs": {"parameters": [{"name": "part"}]},
    }
    speak["outputs"]["artifacts"][0]["s3"] = {"key": "voices/{{workflow.name}}/speech/{{inputs.parameters.part}}/"}
    path = write(tmp_path / "w.yaml", {"name": "main", "dag": {"tasks": tasks}}, speak, parameters=("parts",))
    path.write_text(path.read_text().replace("name: w\n", "name: w\n  annotations: {voicemill.dev/linked: voices/*}\n"))
    run(path, tmp_path / "run", parts='["a", "b"]')
    name = json.loads((tmp_path / "run" / "run.json").read_text())["name"]
    linked = tmp_path / "run" / "voices" / name / "speech"
    assert {place.name: place.read_text() for place in linked.iterdir()} == {"a": "speech", "b": "speech"}
    run(path, tmp_path / "run", parts='["b"]')
    assert [place.name for place in linked.iterdir()] == ["b"], "links of an earlier run are gone"
    clash = path.read_text().replace("name: speak", "name: voices", 1)
    path.write_text(clash)
    with pytest.raises(UsageError, match="folder of the task voices"):
        run(path, tmp_path / "other", parts='["a"]')


def test_events_tell_the_whole_story(tmp_path: Path) -> None:
    tasks = [{"name": "a", "template": "a"}, {"name": "b", "template": "a", "when": "1 == 2", "depends": "a"}]
    code = "import sys; sys.exit(75 if sys.argv[1] == '0' else 0)"
    template = {"name": "a", "retryStrategy": {"limit": "1"}, "container": {**POD, "args": [code, "{{retries}}"]}}
    run(write(tmp_path / "w.yaml", {"name": "main", "dag": {"tasks": tasks}}, template), tmp_path / "run")
    events = [json.loads(line) for line in (tmp_path / "run" / "run.jsonl").read_text().splitlines()]
    told = [(event["event"], event.get("task"), event.get("phase")) for event in events]
    assert told == [
        ("run", None, None),
        ("task", "a", "Pending"),
        ("task", "a", "Running"),
        ("try", "a", "Running"),
        ("task", "a", "Running"),
        ("task", "a", "Succeeded"),
        ("task", "b", "Pending"),
        ("task", "b", "Skipped"),
        ("end", None, "Succeeded"),
    ]


def command(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "voicemill", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=100, check=False, **options)


def test_command_ends_with_the_first_failed_tasks_code_and_sentence(tmp_path: Path) -> None:
    log_line = json.dumps({"level": "error", "message": "a.wav is not audio: give another file."})
    code = f"import sys; print('Traceback'); print({log_line!r}, file=sys.stderr); print('bye'); sys.exit(65)"
    tasks = [{"name": "ingest", "template": "bad"}, {"name": "next", "template": "bad", "depends": "ingest"}]
    main = {"name": "main", "dag": {"tasks": tasks}}
    path = write(tmp_path / "w.yaml", main, {"name": "bad", "container": {**POD, "args": [code]}})
    ended = command("run", path, "--out", tmp_path / "run")
    assert ended.returncode == 65, ended.stderr
    assert "ingest failed: a.wav is not audio: give another file. (exit code 65)" in ended.stdout
    assert f"Its log: {tmp_path / 'run' / 'ingest' / 'log.txt'}" in ended.stdout


def test_command_that_cannot_be_obeyed_ends_64_with_one_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "w.yaml", {"name": "main", "container": {**POD, "args": ["print('ok')"]}})
    for arguments, sentence in [
        (["run", "no-such-workflow", "--out", tmp_path / "run"], "Unknown workflow 'no-such-workflow'"),
        (["run", path, "--out", tmp_path / "run", "-p", "speaker"], "KEY=VALUE, not 'speaker'"),
        (["run", path, "--out", tmp_path / "run", "-p", "speaker=lj"], "speaker: w has no such parameter"),
        (["run", path, "--out", tmp_path / "run", "--memory", "lots"], "'lots' is not a quantity"),
    ]:
        ended = command(*arguments)
        assert ended.returncode == 64
        assert sentence in ended.stderr
        assert "Traceback" not in ended.stderr


def test_help_is_quick_because_no_subcommand_is_imported(tmp_path: Path) -> None:
    heavy = ["torch", "numpy", "yaml", "hera", "rich.live", "voicemill.engine", "voicemill.models"]
    code = (
        "import sys; sys.argv = ['voicemill', '--help']\n"
        "from voicemill.cli.main import main\n"
        "try: main()\n"
        f"except SystemExit: print('imported', [name for name in {heavy!r} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert "imported []" in ended.stdout
    assert "run" in ended.stdout


def test_relative_places_are_made_absolute_and_other_values_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = {
        "name": "main",
        "metadata": {"annotations": {"voicemill.dev/locations": "source"}},
        "inputs": {"parameters": [{"name": "source"}]},
        "container": {**POD, "args": ["print('ok')"]},
    }
    path = write(tmp_path / "w.yaml", template, parameters=("source", "speaker", "text"))
    (tmp_path / "anna").mkdir()
    monkeypatch.chdir(tmp_path)
    given = {"source": "anna", "speaker": "anna", "text": "a / b", "x": "s3://b/k"}
    values = parameters_of(workflows.load(str(path))).resolved(given, Here())
    assert values == {"source": str(tmp_path / "anna"), "speaker": "anna", "text": "a / b", "x": "s3://b/k"}


def test_a_list_of_places_is_made_absolute_where_each_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ada", "bob"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert path_values_of("ada, s3://b/carl,bob") == ["ada", "s3://b/carl", "bob"]
    for text in ("ada, carl", "Good morning, ada", "ada,", "ada"):
        assert path_values_of(text) == [text]
    workflow = workflows.load("synthesize-bulk")
    values = parameters_of(workflow).resolved({"voices": "ada, s3://b/carl,bob", "script": "Hello, ada"}, Here())
    assert values == {"voices": f"{tmp_path}/ada,s3://b/carl,{tmp_path}/bob", "script": "Hello, ada"}


def test_parameters_are_pairs() -> None:
    assert pairs(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    with pytest.raises(UsageError):
        pairs(["=x"])


def test_hera_module_runs_as_it_stands(tmp_path: Path) -> None:
    module = tmp_path / "hello_there.py"
    module.write_text(
        "from hera.workflows import Container, Parameter, Steps, WorkflowTemplate\n"
        "with WorkflowTemplate(name='hello-there', entrypoint='main',\n"
        "                      arguments=[Parameter(name='who', value='you')]) as w:\n"
        "    say = Container(name='say', image='none', command=['python', '-c'],\n"
        "                    args=['import sys; print(sys.argv[1])', '{{inputs.parameters.who}}'],\n"
        "                    inputs=[Parameter(name='who')])\n"
        "    with Steps(name='main'):\n"
        "        say(name='greet', arguments={'who': '{{workflow.parameters.who}}'})\n"
    )
    result = run(module, tmp_path / "run", who="me")
    assert phases(result) == {"greet": "Succeeded"}
    assert (tmp_path / "run" / "greet" / "log.txt").read_text() == "me\n"


def test_a_workflow_that_refers_to_a_template_in_another_file(tmp_path: Path) -> None:
    main = {
        "name": "main",
        "container": {**POD, "args": ["print('{{workflow.parameters.a}}{{workflow.parameters.b}}')"]},
    }
    base = write(
        tmp_path / "the_base.yaml", main, arguments={"parameters": [{"name": "a", "value": "1"}, {"name": "b"}]}
    )
    base.write_text(
        base.read_text().replace("kind: Workflow", "kind: WorkflowTemplate").replace("name: w\n", "name: the-base\n")
    )
    path = tmp_path / "w.yaml"
    path.write_text(
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: w-}\nspec:\n"
        "  workflowTemplateRef: {name: the-base}\n  arguments: {parameters: [{name: b, value: '2'}]}\n"
    )
    assert str(run(path, tmp_path / "run").phase) == "Succeeded"
    assert (tmp_path / "run" / "main" / "log.txt").read_text() == "12\n"


def test_workflow_that_takes_too_long_fails_and_its_exit_handler_runs(tmp_path: Path) -> None:
    slow = {"name": "main", "container": {**POD, "args": ["import time; time.sleep(60)"]}}
    bye = {"name": "bye", "container": {**POD, "args": ["print('{{workflow.status}}')"]}}
    begun = time.monotonic()
    result = run(write(tmp_path / "w.yaml", slow, bye, activeDeadlineSeconds=1, onExit="bye"), tmp_path / "run")
    assert time.monotonic() - begun < 30
    assert (str(result.phase), phases(result)) == ("Failed", {"main": "Failed", "bye": "Succeeded"})
    assert (tmp_path / "run" / "bye" / "log.txt").read_text() == "Failed\n"


def test_progress_and_environment_reach_a_stage(tmp_path: Path) -> None:
    code = (
        "import os; open(os.environ['ARGO_PROGRESS_FILE'], 'w').write('1/2'); "
        "print(os.environ['SPEAKER'], os.environ.get('CUDA_VISIBLE_DEVICES')); import voicemill"
    )
    main = {"name": "main", "container": {**POD, "args": [code], "env": [{"name": "SPEAKER", "value": "lj"}]}}
    result = run(write(tmp_path / "w.yaml", main), tmp_path / "run", slots=ROOM)
    assert node(result, "main").message == ""
    assert (tmp_path / "run" / "main" / ".progress").read_text() == "1/2"
    assert (tmp_path / "run" / "main" / "log.txt").read_text().startswith("lj ")


def test_last_words_are_the_last_error_else_the_last_line(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("one\n\n")
    assert last_words(log) == "one"
    log.write_text('{"level": "error", "message": "first"}\n{"level": "info", "message": "later"}\n')
    assert last_words(log) == "first"


def test_what_cannot_be_read_or_asked_for_is_an_error_of_its_task_alone(tmp_path: Path) -> None:
    broken = tmp_path / "source"
    broken.mkdir()
    (broken / "a.wav").symlink_to("/proc/self/mem")  # reading its first byte is an error for anybody
    tasks = [{"name": name, "template": name} for name in ("unreadable", "greedy", "fine")]
    templates = [
        {
            "name": "unreadable",
            "metadata": {"annotations": {"voicemill.dev/locations": "source"}},
            "inputs": {"parameters": [{"name": "source", "value": str(broken)}]},
            "container": {**POD, "args": ["print('{{inputs.parameters.source}}')"]},
        },
        {"name": "greedy", "container": {**POD, "args": ["print()"], "resources": {"requests": {"cpu": "many"}}}},
        {"name": "fine", "container": {**POD, "args": ["print('fine')"]}},
    ]
    result = run(write(tmp_path / "w.yaml", {"name": "main", "dag": {"tasks": tasks}}, *templates), tmp_path / "run")
    assert phases(result) == {"unreadable": "Error", "greedy": "Error", "fine": "Succeeded"}
    assert "Input/output error" in node(result, "unreadable").message
    assert "'many' is not a quantity" in node(result, "greedy").message
