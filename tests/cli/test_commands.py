"""`voicemill submit`, `status`, `logs`, `stop` and `resume` against a server."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.fakes.argo_api import ARGO, Cluster
from voicemill.cli.main import app
from voicemill.cluster import following, image_pulls, nodes, queues
from voicemill.core.errors import TryAgain, VoicemillError
from voicemill.storage import open_store

Json = dict[str, Any]
PARAMETERS = ("-p", "speaker=anna", "-p", "source=s3://data/anna", "-p", "models=s3:///models")


def voicemill(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def refusal(*arguments: str) -> VoicemillError:
    result = voicemill(*arguments)
    assert isinstance(result.exception, VoicemillError), result.output
    return result.exception


def node(name: str, phase: str, **fields: Any) -> Json:
    kind = fields.pop("type", "Pod")
    return {
        "id": f"run-{name}",
        "name": f"run.{name}",
        "displayName": name,
        "templateName": name,
        "type": kind,
        "phase": phase,
        "startedAt": "2026-01-01T00:00:00Z",
        **fields,
    }


def status(phase: str, *nodes: Json, **fields: Any) -> Json:
    return {"phase": phase, "nodes": {each["id"]: each for each in nodes}, **fields}


def failed(name: str, code: int | None, message: str = "it did not work") -> Json:
    outputs = {} if code is None else {"outputs": {"exitCode": str(code)}}
    return node(name, "Failed", message=message, **outputs)


SUPPLIED = {"parameters": [{"name": "reviewer", "valueFrom": {"supplied": {}, "default": "nobody"}}]}
EXECUTOR = 'time=2026-01-01T00:00:00.605Z level=INFO msg="sub-process exited" argo=true error=<nil>\n'
WAITS = node("proofread", "Running", type="Suspend", outputs=SUPPLIED)


def test_submitting_refers_to_the_clusters_template(door: Cluster) -> None:
    result = voicemill("submit", "clone-voice", *PARAMETERS, "--name", "anna-1")
    assert result.exit_code == 0 and "submitted anna-1 to the namespace voices" in result.output
    [run] = door.runs
    assert run["spec"]["workflowTemplateRef"] == {"name": "clone-voice"} and "templates" not in run["spec"]
    given = {item["name"]: item["value"] for item in run["spec"]["arguments"]["parameters"]}
    assert given == {"speaker": "anna", "source": "s3://data/anna", "models": "s3:///models"}
    assert run["metadata"]["labels"]["app.kubernetes.io/name"] == "clone-voice"


def test_inline_submits_what_is_installed_here(cluster: Cluster) -> None:
    cluster.objects.clear()
    assert "install the chart there, or submit with --inline" in str(refusal("submit", "clone-voice", *PARAMETERS))
    result = voicemill("submit", "clone-voice", *PARAMETERS, "--inline")
    assert result.exit_code == 0, result.output
    [run] = cluster.runs
    assert run["spec"]["entrypoint"] == "clone-voice" and run["spec"]["securityContext"]["runAsUser"] == 65532
    given = {item["name"]: item.get("value") for item in run["spec"]["arguments"]["parameters"]}
    assert given["speaker"] == "anna" and given["gpt-epochs"] == ""


def test_every_mistake_in_the_parameters_is_told_and_nothing_is_submitted(cluster: Cluster) -> None:
    error = refusal("submit", "clone-voice", "-p", "speker=anna", "-p", "language=de", "-p", "speaker=a/b")
    assert error.exit_code == 64
    lines = str(error).splitlines()
    assert [line.strip().partition(":")[0] for line in lines] == [
        "clone-voice cannot run with these parameters",
        "speker",
        "language",
        "speaker",
        "source",
        "models",
    ]
    assert "must be one of auto, zh, en" in lines[2] and not cluster.runs


def test_a_name_that_is_taken_is_an_error(door: Cluster) -> None:
    voicemill("submit", "clone-voice", *PARAMETERS, "--name", "anna-1")
    error = refusal("submit", "clone-voice", *PARAMETERS, "--name", "anna-1")
    assert error.exit_code == 65 and "the run anna-1 already exists" in str(error)


def test_who_is_refused_or_cannot_reach_the_cluster_is_told_so(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.status[f"{ARGO}/namespaces/voices/workflows"] = 403
    error = refusal("submit", "clone-voice", *PARAMETERS)
    assert error.exit_code == 69 and "permission denied by the cluster: workflow" in str(error)
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    assert refusal("status", "anna").exit_code == 69
    monkeypatch.setenv("ARGO_SERVER", "127.0.0.1:9")
    assert refusal("status", "anna").exit_code == 75


def test_local_files_are_uploaded_and_named_by_their_content(
    cluster: Cluster, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "anna"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"a")
    (folder / "b.wav").write_bytes(b"b")
    given = ("-p", "speaker=anna", "-p", f"source={folder}", "-p", "models=/", "--in-pods", "models")
    assert "set S3_BUCKET" in str(refusal("submit", "clone-voice", *given))
    monkeypatch.setenv("S3_BUCKET", bucket)
    first = voicemill("submit", "clone-voice", *given, "--name", "one")
    assert first.exit_code == 0 and "2 of 2 files sent" in first.output
    second = voicemill("submit", "clone-voice", *given, "--name", "two")
    assert "0 of 2 files sent" in second.output
    addresses = {
        item["value"]
        for run in cluster.runs
        for item in run["spec"]["arguments"]["parameters"]
        if item["name"] == "source"
    }
    [address] = addresses
    marks = list(open_store(f"s3://{bucket}/uploads/used/anna").list())
    assert len(marks) == 1, "so that a revocation of the speaker finds it"
    assert address.startswith(f"s3://{bucket}/uploads/sha256/")
    assert {entry.key for entry in open_store(address).list()} == {"a.wav", "b.wav"}
    (folder / "c.wav").write_bytes(b"c")
    assert "1 of 3 files sent" in voicemill("submit", "clone-voice", *given, "--name", "three").output


def test_a_text_that_argo_would_change_goes_as_a_file(
    cluster: Cluster, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_BUCKET", bucket)
    texts = {"text": "Two is {{=1+1}} now.\r\nDear {{name}}.", "consent": "red \x1b[31m, {{workflow.name}}"}
    words = [word for name, text in texts.items() for word in ("-p", f"{name}={text}")]
    assert voicemill("submit", "clone-voice", *PARAMETERS, *words).exit_code == 0
    [run] = cluster.runs
    given = {item["name"]: item["value"] for item in run["spec"]["arguments"]["parameters"]}
    assert "{{" not in str(given)
    for name, text in texts.items():
        folder, _, file = given[name].rpartition("/")
        assert open_store(folder).read(file)[0].decode() == text
    plain = ("-p", "text=It's {fine} }} as it is.")
    assert voicemill("submit", "clone-voice", *PARAMETERS, *plain).exit_code == 0
    assert cluster.runs[-1]["spec"]["arguments"]["parameters"][-1]["value"] == "It's {fine} }} as it is."


WRONG = ("-p", "gpt-epochs=-7", "-p", "min-minutes=abc", "-p", "transcripts-file=missing.list")
WRONG_LINES = [
    "clone-voice cannot run with these parameters:",
    "  gpt-epochs: must be at least 1, not -7",
    "  min-minutes: must be a number, not 'abc'",
    "  transcripts-file: missing.list does not exist; name an existing file or an s3:// address",
]


@pytest.mark.parametrize("how", [(), ("--inline",)], ids=["by its name", "inline"])
def test_without_a_cluster_mistakes_are_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: tuple[str, ...]
) -> None:
    for name in ("ARGO_SERVER", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    error = refusal("submit", "clone-voice", *how, *PARAMETERS, *WRONG)
    assert error.exit_code == 64 and str(error).splitlines() == WRONG_LINES
    (tmp_path / "m.csv").write_text("speaker,source\nanna,s3://data/anna\n")
    error = refusal("batch", "submit", str(tmp_path / "m.csv"), "-p", "models=s3:///models", *WRONG)
    assert error.exit_code == 64 and str(error).splitlines() == WRONG_LINES
    for name, given in (("clone-voice", PARAMETERS), ("a-workflow-of-theirs", WRONG)):
        error = refusal("submit", name, *given)
        assert error.exit_code == 69 and "no cluster is configured" in str(error)


@pytest.mark.parametrize("value", ["an{{=1+1}}na", "an{{na", "anna\U000e0067"])
def test_a_name_that_argo_would_change_is_refused(cluster: Cluster, value: str) -> None:
    error = refusal("submit", "synthesize", "-p", "voice=s3:///v", "-p", "models=s3:///m", "-p", f"speaker={value}")
    assert error.exit_code == 64 and "speaker: " in str(error) and "Argo" in str(error) and not cluster.runs


def test_a_path_that_is_not_here_is_refused_and_one_of_the_pods_is_left(cluster: Cluster) -> None:
    error = refusal("submit", "clone-voice", "-p", "speaker=a", "-p", "source=./nowhere", "-p", "models=s3:///models")
    assert error.exit_code == 64 and "source: ./nowhere does not exist" in str(error)
    error = refusal("submit", "prepare-models", "-p", "destination=models")
    assert error.exit_code == 64 and "give an s3:// address or a path in the pods" in str(error)
    assert not cluster.runs
    voicemill("submit", "prepare-models", "-p", "destination=/models")
    [run] = cluster.runs
    assert run["spec"]["arguments"]["parameters"] == [{"name": "destination", "value": "/models"}]


@pytest.mark.parametrize(
    ("end", "code", "words"),
    [
        (status("Succeeded", node("ingest", "Succeeded")), 0, "done"),
        (status("Failed", failed("ingest", 65)), 65, "because of its data or parameters"),
        (status("Failed", failed("train-gpt", 66)), 65, "because of its data or parameters"),
        (status("Failed", failed("separate", 75)), 75, "because of the cluster"),
        (status("Failed", failed("ingest", 69, "S3 denies access")), 75, "because of the cluster"),
        (status("Failed", failed("separate", 137, "OOMKilled")), 75, "because of the cluster"),
        (status("Error", failed("separate", None, "pod deleted")), 75, "because of the cluster"),
        (status("Failed", failed("slice", 1)), 1, "because of a bug"),
        (status("Failed", failed("slice", 75), failed("ingest", 64)), 65, "because of its data or parameters"),
    ],
)
def test_waiting_ends_with_what_the_run_has_come_to(
    door: Cluster, monkeypatch: pytest.MonkeyPatch, end: Json, code: int, words: str
) -> None:
    monkeypatch.setattr(following, "_SECONDS_BETWEEN_LOOKS", 0.0)
    door.script = [status("Running", node("ingest", "Running")), end]
    result = voicemill("submit", "clone-voice", *PARAMETERS, "--name", "anna-1", "--wait")
    assert result.exit_code == code and words in result.output
    assert voicemill("status", "anna-1").exit_code == code


def test_waiting_tells_of_each_change_once_and_where_the_results_are(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_SECONDS_BETWEEN_LOOKS", 0.0)
    voice = {"artifacts": [{"name": "voice", "s3": {"key": "voices/anna/r/publish/voice/"}}]}
    report = {"artifacts": [{"name": "report", "s3": {"key": "voices/anna/r/report/report"}}]}
    tries = [failed("x", 77), node("x", "Running")]
    for number, each in enumerate(tries):
        each |= {"id": f"try-{number}", "name": f"run.train-gpt({number})", "displayName": f"train-gpt({number})"}
    retried = node("train-gpt", "Running", type="Retry", children=["try-0", "try-1"])
    cluster.script = [
        {},
        status("Running", node("ingest", "Running")),
        status("Running", node("ingest", "Succeeded"), WAITS),
        status("Running", node("ingest", "Succeeded"), WAITS),
        status("Running", node("ingest", "Succeeded"), {**WAITS, "phase": "Succeeded"}, retried, *tries),
        status(
            "Succeeded",
            node("publish", "Succeeded", outputs=voice),
            {**node("report", "Succeeded", outputs=report), "displayName": "run.onExit"},
            artifactRepositoryRef={"artifactRepository": {"s3": {"bucket": "studio"}}},
        ),
    ]
    result = voicemill("submit", "clone-voice", *PARAMETERS, "--name", "anna-1", "--wait")
    lines = [line.split() for line in result.output.splitlines()]
    assert ["ingest", "Running"] in lines and ["ingest", "Succeeded"] in lines
    waits = [line for line in result.output.splitlines() if "waits to be approved" in line]
    assert len(waits) == 1 and waits[0].endswith("voicemill resume anna-1 proofread")
    assert "train-gpt        Running, try 2" in result.output
    assert "voice: s3://studio/voices/anna/r/publish/voice/" in result.output
    assert "report: s3://studio/voices/anna/r/report/report" in result.output


def test_waiting_tells_why_a_pod_finds_no_place(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_SECONDS_BETWEEN_LOOKS", 0.0)
    retried = node("slice", "Running", type="Retry", children=["try"])
    full, starting = "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.", "PodInitializing"
    pod = {"id": "try", "name": "run.slice(0)", "displayName": "slice(0)"}
    cluster.script = [
        status("Running", retried, node("x", "Pending") | pod),
        status("Running", retried, node("x", "Pending", message=full) | pod),
        status("Running", retried, node("x", "Pending", message=full) | pod),
        status("Running", retried, node("x", "Pending", message=starting) | pod),
        status("Running", retried, node("x", "Running") | pod),
        status("Succeeded", node("slice", "Succeeded")),
    ]
    output = voicemill("submit", "clone-voice", *PARAMETERS, "--name", "anna-1", "--wait").output
    told = [line.split(maxsplit=1)[1] for line in output.splitlines() if line.startswith("slice ")]
    assert told == [f"Pending: {full}", "Running", "Succeeded"]


def test_a_pod_that_its_queue_has_not_admitted_says_so(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_SECONDS_BETWEEN_LOOKS", 0.0)
    # As the controller writes it: the pod is gated, of which it says nothing.
    retried = node("train-gpt", "Running", type="Retry", children=["try"])
    pod = {"id": "try", "name": "run.train-gpt(0)", "displayName": "train-gpt(0)", "templateName": "train-gpt"}
    plain = node("report", "Pending")
    templates = [{"name": "train-gpt", "metadata": {"labels": {queues.LABEL: "speech"}}}, {"name": "report"}]
    stored = {"storedWorkflowTemplateSpec": {"templates": templates}}
    gated = status("Running", retried, node("x", "Pending") | pod, plain, **stored)
    placed = status("Running", retried, node("x", "Pending", message="PodInitializing") | pod, plain, **stored)
    cluster.script = [gated, gated, placed, status("Succeeded", node("train-gpt", "Succeeded"), **stored)]
    output = voicemill("submit", "clone-voice", *PARAMETERS, "--name", "anna-1", "--wait").output
    told = [line.split(maxsplit=1)[1] for line in output.splitlines() if line.startswith(("train-gpt ", "report "))]
    assert told == ["Pending: waits to be admitted by Kueue's queue speech", "Succeeded"]
    cluster.script = [gated, gated]
    assert "waits to be admitted by Kueue's queue speech" in voicemill("status", "anna-1").output
    found = {each["task"]: each for each in json.loads(voicemill("status", "anna-1", "-o", "json").output)["tasks"]}
    assert found["train-gpt"]["message"] == "waits to be admitted by Kueue's queue speech"
    assert found["report"]["message"] == ""


def test_queues_are_those_that_the_pods_get() -> None:
    own, night = {"metadata": {"labels": {queues.LABEL: "own"}}}, {"podMetadata": {"labels": {queues.LABEL: "night"}}}
    inline = {"spec": {"templates": [{"name": "a", **own}, {"name": "b"}], **night}}
    assert [queues.queue_of(inline, name) for name in ("a", "b")] == ["own", "night"]
    referred = {"spec": {}, "status": {"storedTemplates": {"namespaced/voicemill-stages/a": {"name": "a", **own}}}}
    assert [queues.queue_of(referred, name) for name in ("a", "b")] == ["own", ""]
    assert queues.queues(inline) == {"own"}


def test_an_image_that_cannot_be_pulled_is_told_once_and_ends_the_waiting(
    door: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_SECONDS_BETWEEN_LOOKS", 0.01)
    door.objects["workflowtemplates", "clone-voice"]["metadata"]["annotations"] = {image_pulls.LIMIT: "0.2"}
    failing, waiting = 'ErrImagePull: failed to pull "reg/slice:1"', 'ImagePullBackOff: Back-off pulling "reg/slice:1"'
    turns = [status("Running", node("slice", "Pending", message=words)) for words in (failing, waiting)]
    door.script = [turns[number % 2] for number in range(500)]
    result = voicemill("submit", "clone-voice", *PARAMETERS, "--name", "anna-1", "--wait")
    assert isinstance(result.exception, TryAgain) and result.exception.exit_code == 75
    assert "the image of slice could not be pulled for 0 seconds" in str(result.exception)
    assert "reg/slice:1" in str(result.exception) and "images.registry" in str(result.exception)
    assert len([line for line in result.output.splitlines() if line.startswith("slice ")]) == 1
    assert door.objects["workflows", "anna-1"]["spec"]["shutdown"] == "Stop"


def test_a_run_that_was_ended_for_its_image_says_so_later_too(door: Cluster) -> None:
    ended = status("Failed", node("slice", "Failed", message="workflow shutdown with strategy:  Stop"))
    door.add("workflows", {"metadata": {"name": "anna-1"}, "spec": {"shutdown": "Stop"}, "status": ended})
    assert voicemill("status", "anna-1").exit_code == 130
    because = {nodes.STOPPED_BECAUSE: "the image of slice could not be pulled"}
    door.objects["workflows", "anna-1"]["metadata"]["annotations"] = because
    result = voicemill("status", "anna-1")
    assert result.exit_code == 75
    assert "the image of slice could not be pulled" in result.output


OF_EXECUTOR = 'time=2026-01-01T00:00:00.6Z level=INFO msg="exited" argo=true error="x"\nError: exit status 65'


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("pod deleted", "pod deleted"),
        (
            f'main: Error (exit code 65): {{"level": "error", "message": "it says \\"no\\""}}\n{OF_EXECUTOR}',
            'it says "no"',
        ),
        (
            f'main: Error (exit code 1): line 3, in f\\n    import torch\\nRuntimeError: no torch"}}\n{OF_EXECUTOR}',
            "RuntimeError: no torch",
        ),
        (f"main: Error (exit code 3): plain words\n{OF_EXECUTOR}", "plain words"),
        ("main: Error (exit code 65): a.wav holds no audio", "a.wav holds no audio"),
        ("main: OOMKilled (exit code 137): killed", "killed"),
        ("wait: Error (exit code 64): Access Denied.", "wait: Error (exit code 64): Access Denied."),
    ],
)
def test_of_what_kubernetes_keeps_of_a_log_the_sentence_is_shown(cluster: Cluster, message: str, words: str) -> None:
    failed_run = status("Failed", failed("ingest", 65, message), node("slice", "Omitted"))
    cluster.add("workflows", {"metadata": {"name": "run"}, "spec": {}, "status": failed_run})
    output = voicemill("status", "run").output
    assert f"  ingest: {words} (exit code 65)" in output.splitlines()
    assert "exit status" not in output and "slice" not in output


def test_a_cluster_that_is_away_for_a_while_does_not_end_the_waiting(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.add("workflows", {"metadata": {"name": "run"}, "spec": {}, "status": status("Running")})
    path = f"{ARGO}/namespaces/voices/workflows/run"
    cluster.status[path] = 503
    seen: list[str] = []

    class Seen:
        def show(self, workflow: Json) -> None:
            seen.append(workflow["status"]["phase"])

    def come_back(seconds: float) -> None:
        cluster.status.pop(path, None)
        if seen:
            cluster.objects["workflows", "run"]["status"] = status("Succeeded")

    from voicemill.cluster.connection import connect

    following.follow(connect(), "run", Seen(), sleep=come_back)
    assert seen == ["Running", "Succeeded"]


def add_waiting(cluster: Cluster, *nodes: Json) -> None:
    run = {"metadata": {"name": "run"}, "spec": {}, "status": status("Running", *nodes)}
    cluster.add("workflows", json.loads(json.dumps(run)))


def test_resuming_lets_exactly_one_node_go_on(door: Cluster) -> None:
    other = {**WAITS, "id": "run-other", "displayName": "other"}
    add_waiting(door, WAITS, other)
    assert "several nodes of run are waiting; name the one to resume" in str(refusal("resume", "run"))
    assert "nothing-such of run is not waiting" in str(refusal("resume", "run", "nothing-such"))
    assert "takes no parameter reviwer" in str(refusal("resume", "run", "proofread", "-p", "reviwer=x"))
    result = voicemill("resume", "run", "proofread", "-p", "reviewer=ruth")
    assert result.exit_code == 0 and "proofread of run goes on" in result.output
    nodes = door.runs[0]["status"]["nodes"]
    assert nodes["run-proofread"]["phase"] == "Succeeded" and nodes["run-other"]["phase"] == "Running"
    assert nodes["run-proofread"]["outputs"]["parameters"] == [{"name": "reviewer", "value": "ruth"}]
    assert voicemill("resume", "run").exit_code == 0
    assert nodes["run-other"]["id"] and door.runs[0]["status"]["nodes"]["run-other"]["outputs"]["parameters"] == [
        {"name": "reviewer", "value": "nobody"}
    ]
    error = refusal("resume", "run")
    assert error.exit_code == 65 and "no node of run is waiting to be resumed" in str(error)


def test_a_change_of_the_controllers_meanwhile_is_not_overwritten(cluster: Cluster) -> None:
    add_waiting(cluster, WAITS)
    cluster.conflicts = 3
    assert voicemill("resume", "run").exit_code == 0
    assert cluster.runs[0]["status"]["nodes"]["run-proofread"]["phase"] == "Succeeded"
    assert sum(request.startswith("PATCH") for request in cluster.requests) == 4


def test_the_nodes_of_a_large_run_are_unpacked_and_packed_again(cluster: Cluster) -> None:
    add_waiting(cluster)
    packed = gzip.compress(json.dumps({"run-proofread": WAITS}).encode())
    cluster.runs[0]["status"] = {"phase": "Running", "compressedNodes": base64.b64encode(packed).decode()}
    assert voicemill("resume", "run").exit_code == 0
    state = cluster.runs[0]["status"]
    assert "nodes" not in state
    nodes = json.loads(gzip.decompress(base64.b64decode(state["compressedNodes"])))
    assert nodes["run-proofread"]["phase"] == "Succeeded"
    cluster.runs[0]["status"] = {"phase": "Running", "offloadNodeStatusVersion": "fnv:1"}
    assert "set ARGO_SERVER and ARGO_TOKEN" in str(refusal("status", "run"))


def test_stopping_leaves_the_exit_handler_its_turn(door: Cluster) -> None:
    add_waiting(door)
    assert voicemill("stop", "run").exit_code == 0
    assert door.runs[0]["spec"]["shutdown"] == "Stop"
    door.runs[0]["status"] = status("Failed", failed("slice", 143))
    assert voicemill("status", "run").exit_code == 130
    assert refusal("stop", "nothing").exit_code == 65


def test_runs_are_listed_by_speaker(door: Cluster) -> None:
    voicemill("submit", "clone-voice", *PARAMETERS, "--name", "anna-1")
    door.runs[0]["metadata"]["labels"]["voicemill.dev/speaker"] = "anna"
    door.add("workflows", {"metadata": {"name": "theirs", "labels": {}}, "spec": {}})
    output = voicemill("status").output
    assert "anna-1" in output and "Pending" in output and "theirs" not in output


def test_in_a_pipe_no_name_is_cut_and_programs_get_json_or_names(door: Cluster) -> None:
    run, speaker = "clone-voice-" + "x" * 50, "s" * 63
    voicemill("submit", "clone-voice", *PARAMETERS, "--name", run)
    door.runs[0]["metadata"]["labels"]["voicemill.dev/speaker"] = speaker
    (line,) = voicemill("status").output.splitlines()[1:]
    assert line.split()[:3] == [run, "clone-voice", speaker]
    assert voicemill("status", "-o", "name").output == f"{run}\n"
    (row,) = json.loads(voicemill("status", "-o", "json").output)
    assert (row["run"], row["speaker"], row["state"]) == (run, speaker, "Pending")
    sentence = "a.wav holds no audio; " + "it is very long " * 20
    door.objects["workflows", run]["status"] = status(
        "Failed", failed("ingest", 65, f"main: Error (exit code 65): {sentence}")
    )
    ended = voicemill("status", run, "-o", "json")
    found = json.loads(ended.output)
    assert ended.exit_code == 65 and found["outcome"] == "data"
    assert found["tasks"][0]["message"] == sentence.strip() and found["tasks"][0]["exit_code"] == 65
    assert voicemill("status", run, "-o", "name").output == f"{run}\n"
    assert sentence.strip() in voicemill("status", run).output.splitlines()[2]


def test_logs_come_from_the_pods_and_are_readable(door: Cluster) -> None:
    add_waiting(door, node("ingest", "Succeeded"), node("slice", "Running"))
    for name in ("ingest", "slice"):
        pod = f"run-{name}-{name}"
        annotations = {"workflows.argoproj.io/node-id": f"run-{name}"}
        labels = {"workflows.argoproj.io/workflow": "run"}
        door.add("pods", {"metadata": {"name": pod, "annotations": annotations, "labels": labels}})
        door.logs[pod] = json.dumps({"level": "info", "message": f"{name} begins"}) + "\nplain text\n" + EXECUTOR
    output = voicemill("logs", "run").output.splitlines()
    assert output == [
        "ingest         info    ingest begins",
        "ingest         plain text",
        "slice          info    slice begins",
        "slice          plain text",
    ]
    assert len(voicemill("logs", "run", "slice").output.splitlines()) == 2
    assert "run has no pod of publish; it has reached: ingest, slice" in str(refusal("logs", "run", "publish"))


def test_logs_of_pods_that_are_gone_come_from_the_bucket(cluster: Cluster, bucket: str) -> None:
    open_store(f"s3://{bucket}/logs").write("ingest.log", b"kept line\n")
    kept = {"artifacts": [{"name": "main-logs", "s3": {"key": "logs/ingest.log"}}]}
    add_waiting(cluster, node("ingest", "Succeeded", outputs=kept), node("slice", "Succeeded"))
    cluster.runs[0]["status"]["artifactRepositoryRef"] = {"artifactRepository": {"s3": {"bucket": bucket}}}
    output = voicemill("logs", "run").output.splitlines()
    assert output == ["ingest         kept line", "slice          (its pod is gone)"]
    assert "the pod of slice is gone" in str(refusal("logs", "run", "slice"))
