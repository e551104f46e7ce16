"""What can be declared, and the Argo template that comes of it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hera.workflows import Workflow

from tests.fakes.copy_stage import copy_texts, count
from voicemill.contract import InputDir, Ledger, MoreGpuMemory, OutputDir, stage
from voicemill.core.errors import UsageError
from voicemill.engine.templating import fill


def template_of(one: Any, **arguments: Any) -> dict[str, Any]:
    with Workflow(name="w", entrypoint=one.name) as workflow:
        one.container(**arguments)
    content = yaml.safe_load(workflow.to_yaml())  # pyright: ignore[reportArgumentType]
    return content["spec"]["templates"][0]


def test_arguments_are_filled_from_artifacts_and_parameters() -> None:
    template = template_of(copy_texts)
    arguments = template["container"]["args"]
    pairs = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert template["container"]["command"] == ["python", "-m", "tests.fakes.copy_stage"]
    assert pairs["--texts"] == "{{inputs.artifacts.texts.path}}"
    assert pairs["--copies"] == "{{outputs.artifacts.copies.path}}"
    assert pairs["--times"] == "{{inputs.parameters.times}}"
    assert pairs["--summary"] == "{{outputs.parameters.summary.path}}"
    assert "error_rate={{outputs.parameters.error-rate.path}}" in arguments


def test_parameters_carry_default_enum_and_description() -> None:
    parameters = {row["name"]: row for row in template_of(copy_texts)["inputs"]["parameters"]}
    # Empty, so that a config and base weights may say otherwise.
    described = "How often each text is repeated. Default: 1."
    assert parameters["times"] == {"name": "times", "default": "", "description": described}
    assert parameters["upper"]["enum"] == ["", "true", "false"] and parameters["upper"]["default"] == ""
    assert parameters["ending"]["enum"] == ["", "none", "lf"]
    assert parameters["limit"]["default"] == ""


def test_artifacts_of_the_template() -> None:
    template = template_of(copy_texts, keys="voices/lj")
    inputs = {row["name"]: row for row in template["inputs"]["artifacts"]}
    assert inputs["texts"] == {"name": "texts", "path": "/tmp/voicemill/in/texts"}
    assert inputs["glossary"]["optional"] is True
    outputs = {row["name"]: row for row in template["outputs"]["artifacts"]}
    assert outputs["copies"]["s3"] == {"key": "voices/lj/copy-stage/copies/"} and outputs["copies"]["archive"] == {
        "none": {}
    }
    assert (
        outputs["ledger"]["s3"] == {"key": "voices/lj/ledgers/copy-stage.jsonl"}
        and outputs["ledger"]["optional"] is True
    )
    assert [row["name"] for row in template["outputs"]["parameters"]] == ["summary", "copied", "error-rate"]


def test_gpu_memory_becomes_a_limit_and_an_affinity_that_can_be_left_out() -> None:
    template = template_of(copy_texts)
    assert template["container"]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    required = template["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    expression = required["nodeSelectorTerms"][0]["matchExpressions"][0]
    assert expression == {"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["5600"]}
    assert "affinity" not in template_of(copy_texts, gpu_affinity=False)
    assert "affinity" not in template_of(count)


def test_a_parameter_may_decide_how_large_a_gpu_must_be() -> None:
    larger = copy.copy(copy_texts)
    larger.more_gpu_memory = MoreGpuMemory("ending", ("lf",), "8Gi")
    template = template_of(larger)
    required = template["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    (floor,) = required["nodeSelectorTerms"][0]["matchExpressions"][0]["values"]
    assert fill(floor, {"inputs.parameters.ending": "none"}, final=True) == "5600"
    assert fill(floor, {"inputs.parameters.ending": "lf"}, final=True) == "7500"


def test_retries_grow_memory_after_a_kill_and_tell_the_stage_which_try_it_is() -> None:
    template = template_of(copy_texts, env={"VOICEMILL_SPEAKER": "lj"})
    strategy = template["retryStrategy"]
    assert strategy["limit"] == "10"
    assert "maxDuration" not in strategy["backoff"], "it would count from the first try, and cut long trainings off"
    assert "{{=string(4096 * (lastRetry.exitCode == '137' ? 1 + asInt(retries) : 1))}}Mi" in template["podSpecPatch"]
    environment = {row["name"]: row["value"] for row in template["container"]["env"] if "value" in row}
    assert environment == {
        "VOICEMILL_LOG": "json",
        "VOICEMILL_TERMINATION_LOG": "/dev/termination-log",
        "VOICEMILL_WORKFLOW": "{{workflow.name}}",
        "VOICEMILL_RETRIES": "{{retries}}",
        "VOICEMILL_LAST_EXIT_CODE": "{{lastRetry.exitCode}}",
        "VOICEMILL_SPEAKER": "lj",
    }
    of_pod = {
        row["name"]: row["valueFrom"]["fieldRef"]["fieldPath"]
        for row in template["container"]["env"]
        if "valueFrom" in row
    }
    assert of_pod == {
        "VOICEMILL_NODE": "spec.nodeName",
        "VOICEMILL_GPU": "metadata.annotations['voicemill.dev/gpu-memory']",
    }


def test_locations_and_state_are_marked_for_the_engine() -> None:
    annotations = template_of(copy_texts)["metadata"]["annotations"]
    assert annotations["voicemill.dev/stage"] == "copy-stage" and annotations["voicemill.dev/locations"] == "models"
    template = template_of(count)
    assert template["metadata"]["annotations"]["voicemill.dev/state"] == "state"
    assert {row["name"]: row.get("default") for row in template["inputs"]["parameters"]}[
        "state"
    ] == "/tmp/voicemill/state/state"


def test_a_state_is_kept_beside_the_stages_artifacts_and_goes_with_them() -> None:
    template = template_of(count, keys="voices/lj/{{workflow.name}}")
    key = "voices/lj/{{workflow.name}}/copy-stage/state"
    places = {row["name"]: row.get("default") for row in template["inputs"]["parameters"]}
    assert places["state"] == f"s3:///{key}"
    note = next(row for row in template["outputs"]["artifacts"] if row["name"] == "state")
    assert note["s3"]["key"] == f"{key}/" and note["optional"]
    arguments = template["container"]["args"]
    assert arguments[arguments.index("--state-sent") + 1] == "{{outputs.artifacts.state.path}}"
    assert '"terminationGracePeriodSeconds": 120' in template["podSpecPatch"]


def test_tasks_of_a_fan_out_have_keys_of_their_own() -> None:
    part = "{{inputs.parameters.shard}}"
    template = template_of(count, keys="voices/lj/run", part=part, ledgers="voices/script/run")
    keys = {row["name"]: row["s3"]["key"] for row in template["outputs"]["artifacts"]}
    assert keys == {
        "numbers": f"voices/lj/run/copy-stage/numbers/{part}/",
        "state": f"voices/lj/run/copy-stage/state/{part}/",
        "ledger": f"voices/script/run/ledgers/copy-stage/{part}.jsonl",
    }
    places = {row["name"]: row.get("default") for row in template["inputs"]["parameters"]}
    assert "inputs.parameters" not in places["state"], "a default cannot name another input"


def test_a_stage_is_called_like_its_function(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x")
    ledger = copy_texts(tmp_path / "texts", tmp_path / "out", times=3)
    assert ledger.kept == 1
    assert (tmp_path / "out" / "a.txt").read_text() == "xxx"


def test_a_mount_point_cannot_be_an_output(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    with pytest.raises(UsageError, match="mount point"):
        copy_texts(tmp_path / "texts", Path("/proc"))


def test_an_item_that_vanishes_is_a_bug_that_is_named(tmp_path: Path) -> None:
    @stage(family="x")
    def forgetful(texts: InputDir, copies: OutputDir) -> Ledger:
        """Forget everything."""
        ledger = Ledger()
        for _ in ledger.each(sorted(texts.iterdir())):
            pass
        return ledger

    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").touch()
    with pytest.raises(AssertionError, match=r"neither kept nor dropped: a\.txt"):
        forgetful(tmp_path / "texts", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_stage_cannot_have_is_refused_when_it_is_declared() -> None:
    def positional(texts: InputDir, times: int) -> Ledger: ...

    def listed(texts: InputDir, *, names: list[str]) -> Ledger: ...

    def documented(texts: InputDir) -> Ledger:
        """Do it.

        Args:
            text: A typing mistake.
        """
        ...

    for function, words in (
        (positional, "keyword-only"),
        (listed, "names has a type"),
        (documented, "not exist: text"),
    ):
        with pytest.raises(TypeError, match=words):
            stage(family="x")(function)
