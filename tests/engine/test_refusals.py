"""What is not supported is refused by name before any task starts, and all of it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.running import POD, run, write
from voicemill.engine import fields
from voicemill.engine.workflow import RunFolderError, UnsupportedWorkflow

OK = {"name": "ok", "container": {**POD, "args": ["print('ok')"]}}


def dag(*tasks: dict[str, Any], **template: Any) -> dict[str, Any]:
    return {"name": "main", "dag": {"tasks": list(tasks)}, **template}


def pod(**changes: Any) -> dict[str, Any]:
    return {"name": "main", **{key: value for key, value in changes.items() if key != "container"}} | {
        "container": {**OK["container"], **changes.get("container", {})}
    }


@pytest.mark.parametrize(
    ("templates", "spec", "named"),
    [
        ([pod()], {"hooks": {"exit": {"template": "main"}}}, "spec.hooks"),
        ([pod()], {"suspend": True}, "spec.suspend"),
        ([pod(daemon=True)], {}, "spec.templates[main].daemon"),
        ([pod(sidecars=[{"name": "s"}])], {}, "spec.templates[main].sidecars"),
        ([pod(container={"lifecycle": {"postStart": {}}})], {}, "spec.templates[main].container.lifecycle"),
        ([{"name": "main", "http": {"url": "http://x"}}], {}, "spec.templates[main].http"),
        ([{"name": "main", "resource": {"action": "get"}}], {}, "spec.templates[main].resource"),
        (
            [dag({"name": "a", "template": "ok", "onExit": "ok"}), OK],
            {},
            "spec.templates[main].dag.tasks[a].onExit",
        ),
        (
            [dag({"name": "a", "template": "ok", "withSequence": {"count": "3"}}), OK],
            {},
            "spec.templates[main].dag.tasks[a].withSequence",
        ),
        ([dag({"name": "a", "template": "gone"})], {}, "no template named 'gone'"),
        ([dag({"name": "a", "templateRef": {"name": "nowhere", "template": "x"}})], {}, "'nowhere'"),
        ([dag({"name": "a", "template": "ok", "depends": "b"}), OK], {}, "waits for b"),
        ([dag({"name": "a", "template": "ok", "depends": "a.Done"}), OK], {}, "'Done'"),
        (
            [
                dag(
                    {"name": "a", "template": "ok", "depends": "b"},
                    {"name": "b", "template": "ok", "depends": "a"},
                ),
                OK,
            ],
            {},
            "cycle: a, b",
        ),
        ([dag({"name": "a", "template": "ok", "depends": "a", "dependencies": ["a"]}), OK], {}, "cannot use both"),
        ([dag({"name": "a", "template": "ok", "when": "{{tasks.b.status}} == x"}), OK], {}, "{{tasks.b.status}}"),
        (
            [dag({"name": "a", "template": "ok", "when": "{{workflow.parameters.gone}} == x"}), OK],
            {},
            "parameters.gone",
        ),
        ([dag({"name": "a", "template": "ok", "when": "1 ? 2 : 3"}), OK], {}, "'?' is not supported"),
        ([dag({"name": "a", "template": "ok", "when": "{{=sprig.trim('x')}} == x"}), OK], {}, "sprig.trim()"),
        ([pod(container={"args": ["{{retries}}"]})], {}, "{{retries}}"),
        ([pod(container={"command": []})], {}, "has no command"),
        ([pod(retryStrategy={"limit": "1", "expression": "lastRetry.code == 1"})], {}, "lastRetry.code"),
        (
            [pod(outputs={"artifacts": [{"name": "x", "path": "/out/x"}]}, container={"args": ["open('/out/x')"]})],
            {},
            "{{outputs.artifacts.x.path}}",
        ),
        (
            [
                dag({"name": "a", "template": "needs"}),
                {**OK, "name": "needs", "inputs": {"parameters": [{"name": "p"}]}},
            ],
            {},
            "needs's parameter p",
        ),
        (
            [
                dag(
                    {"name": "voice", "template": "make"},
                    outputs={"artifacts": [{"name": "voice", "from": "{{tasks.voice.outputs.artifacts.v}}"}]},
                ),
                {**OK, "name": "make", "outputs": {"artifacts": [{"name": "v", "path": "/tmp/v"}]}},
            ],
            {},
            "voicemill.dev/exports",
        ),
    ],
)
def test_refused_by_name(templates: list[Any], spec: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedWorkflow) as caught:
        run(write(tmp_path / "w.yaml", *templates, **spec), tmp_path / "run")
    assert named in str(caught.value)
    assert caught.value.exit_code == 64
    assert not (tmp_path / "run").exists()


def test_all_reasons_are_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "w.yaml", pod(daemon=True), hooks={"exit": {"template": "main"}})
    with pytest.raises(UnsupportedWorkflow) as caught:
        run(path, tmp_path / "run")
    assert "daemon" in str(caught.value) and "spec.hooks" in str(caught.value)


def test_unknown_parameter_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "w.yaml", pod(), parameters=("speaker", "source"))
    with pytest.raises(UnsupportedWorkflow, match="no parameter speeker; its parameters are: speaker, source"):
        run(path, tmp_path / "run", speeker="lj")
    with pytest.raises(UnsupportedWorkflow, match="needs a value for its parameter source"):
        run(path, tmp_path / "run", speaker="lj")


def test_value_outside_its_enum_is_refused(tmp_path: Path) -> None:
    arguments = {"parameters": [{"name": "mode", "value": "auto", "enum": ["auto", "never"]}]}
    path = write(tmp_path / "w.yaml", pod(), arguments=arguments)
    with pytest.raises(UnsupportedWorkflow, match="mode is one of auto, never, not 'often'"):
        run(path, tmp_path / "run", mode="often")


def test_run_folder_of_another_workflow_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "w.yaml", pod())
    run(path, tmp_path / "run")
    path.write_text(path.read_text().replace("name: w", "name: other"))
    with pytest.raises(RunFolderError, match="holds a run of w"):
        run(path, tmp_path / "run")


def test_what_only_concerns_a_cluster_is_left_aside(tmp_path: Path) -> None:
    container = {
        "image": "x",
        "imagePullPolicy": "Always",
        "securityContext": {"runAsNonRoot": True},
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
        "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
    }
    template = pod(
        container=container,
        tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}],
        affinity={"nodeAffinity": {}},
        volumes=[{"name": "shm", "emptyDir": {"medium": "Memory"}}],
    )
    spec = {
        "serviceAccountName": "workflow",
        "podGC": {"strategy": "OnPodSuccess"},
        "ttlStrategy": {"secondsAfterCompletion": 60},
        "artifactGC": {"strategy": "OnWorkflowDeletion"},
        "securityContext": {"runAsUser": 65532},
    }
    assert str(run(write(tmp_path / "w.yaml", template, **spec), tmp_path / "run").phase) == "Succeeded"


def test_the_list_of_what_is_left_aside_names_no_field_that_changes_a_result() -> None:
    aside = {name for names in fields.left_aside().values() for name in names}
    assert not aside & {"args", "command", "env", "depends", "when", "retryStrategy", "timeout", "steps", "dag"}
