"""Stages in workflows of other people on a real Argo: by Hera, by templateRef, by `argo submit --from`, by schedule.

The workflows are the examples that docs/how-to/own-workflows.md shows; what is changed are names of images and of the
S3 server's bucket, which the examples make up.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import images
from tests.cluster.kube import Object
from tests.cluster.site import FEW, SHORT, SPEAKER, Site, node, site, tasks
from voicemill.engine import workflow as workflows
from voicemill.storage import open_store

__all__ = ["site"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

EXAMPLES = images.ROOT / "examples" / "workflows"
CLIP = images.ROOT / "charts" / "voicemill" / "files" / "one-clip.ogg"
OTHERS_IMAGE = "localhost/testcluster-python:1"
DROPPED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
OTHERS = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    "podSpecPatch": json.dumps(
        {"containers": [{"name": name, "securityContext": DROPPED} for name in ("main", "wait")]}
        | {"initContainers": [{"name": "init", "securityContext": DROPPED}]}
    ),
    "serviceAccountName": "voicemill",
}
"""What a step that is not voicemill's needs in a namespace of the `restricted` standard."""


def upload(site: Site, prefix: str, *files: Path) -> str:
    """Put recordings into the bucket; gives their location."""
    location = f"s3://{site.bucket}/{prefix}"
    store = open_store(location)
    for file in files:
        store.upload(file, file.name)
    return location


def clips(site: Site, prefix: str) -> list[str]:
    """Names of the clips that a slice stage stored below a prefix."""
    stored = open_store(f"s3://{site.bucket}/{prefix}").list()
    return [entry.key for entry in stored if entry.key.startswith("slice/") and entry.key.endswith(".wav")]


def with_parameters(document: Object, **given: str) -> Object:
    """The workflow with values for its parameters."""
    listed = document["spec"]["arguments"]["parameters"]
    spec = {
        **document["spec"],
        "arguments": {
            "parameters": [
                each | {"value": given[each["name"].replace("-", "_")]}
                if each["name"].replace("-", "_") in given
                else each
                for each in listed
            ]
        },
    }
    return {**document, "spec": spec}


def runnable(document: Object, stage_images: dict[str, str]) -> Object:
    """The workflow with images that this cluster has; steps of its own get what the namespace asks of them."""
    for template in document["spec"]["templates"]:
        container = template.get("container")
        if not container:
            continue
        name = container["image"].rpartition("/")[2].partition(":")[0].removeprefix("voicemill-")
        if name in stage_images:
            container["image"] = stage_images[name]
        else:
            container["image"] = OTHERS_IMAGE
            template |= OTHERS
    return document


def succeeded(site: Site, made: Object, *, seconds: float = 600) -> Object:
    found = site.namespace.workflow_end(made, seconds=seconds)
    messages = {task["displayName"]: task.get("message", task["phase"]) for task in tasks(found)}
    assert found["status"]["phase"] == "Succeeded", messages
    return found


def test_a_workflow_by_hera_needs_to_declare_nothing(site: Site) -> None:
    (document,) = workflows.read(EXAMPLES / "own_workflow.py")
    source = upload(site, "own/hera", CLIP)
    document = with_parameters(runnable(document, site.images), source=source)
    made = site.namespace.create(document)
    found = succeeded(site, made)
    told = node(found, "tell")["inputs"]["parameters"]
    assert {each["name"]: each["value"] for each in told}["clips"] == "1"
    assert len(clips(site, f"clips/{made['metadata']['name']}")) == 1


def test_a_workflow_of_plain_yaml_calls_stages_by_template_ref(site: Site) -> None:
    document = yaml.safe_load((EXAMPLES / "by_template_ref.yaml").read_text())
    made = site.namespace.create(with_parameters(document, source=upload(site, "own/yaml", CLIP)))
    succeeded(site, made)
    assert len(clips(site, f"clips/{made['metadata']['name']}")) == 1


def test_argo_submits_one_stage(site: Site) -> None:
    source = upload(site, "own/argo", CLIP)
    made = argo_submit(
        site, "voicemill-stages", "--entrypoint", "ingest", source=source, keys="own/ingest", **{"min-minutes": "0.01"}
    )
    succeeded(site, made)
    lines = open_store(f"s3://{site.bucket}/own/ingest").read("ledgers/ingest.jsonl")[0].splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["kept"]


def test_a_clone_in_a_larger_workflow(site: Site) -> None:
    (document,) = workflows.read(EXAMPLES / "clone_in_a_dag.py")
    source = upload(site, "own/demo", *(SPEAKER / name for name in FEW))
    given = {
        "models": f"s3://{site.bucket}/models/toy",
        "language": "en",
        **SHORT,
        "min-minutes": "0.5",
        "speaker": "own",
        "source": source,
    }
    given = {name.replace("-", "_"): value for name, value in given.items()}
    made = site.namespace.create(with_parameters(runnable(document, site.images), **given))
    found = succeeded(site, made, seconds=1500)
    assert node(found, "end")["phase"] == "Succeeded" and node(found, "publish")["phase"] == "Succeeded"


def test_a_schedule_starts_a_clone(site: Site) -> None:
    document = yaml.safe_load((EXAMPLES / "weekly_voice.yaml").read_text())
    document["spec"]["schedules"] = ["* * * * *"]
    made = site.namespace.create(document)
    kind = site.namespace.cluster.resource({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"})

    def started(_: Object) -> bool:
        label = f"workflows.argoproj.io/cron-workflow={made['metadata']['name']}"
        return bool(kind.get(namespace=site.namespace.name, label_selector=label).items)

    try:
        site.namespace.wait(made, started, seconds=90)
    finally:
        site.namespace.cluster.resource(made).delete(name=made["metadata"]["name"], namespace=site.namespace.name)


def argo_submit(site: Site, template: str, *options: str, **parameters: str) -> Object:
    """`argo submit --from`; gives the workflow that it made."""
    program = shutil.which("argo", path=f"{os.environ.get('ARGO_BIN_DIR', '')}:{os.environ['PATH']}")
    if not program:
        pytest.skip("needs argo's command line ($ARGO_BIN_DIR)")
    pairs = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
    command = [program, "submit", "--from", f"workflowtemplate/{template}", *options, *pairs, "-o", "json"]
    done = subprocess.run([*command, "-n", site.namespace.name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": made["metadata"]}
