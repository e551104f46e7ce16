"""A batch on its way to a cluster, and how it stands there, seen from a user's machine."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voicemill.batch import manifest as manifests
from voicemill.batch import speaker_workflows, validation
from voicemill.batch.manifest import ManifestError
from voicemill.batch.state import State
from voicemill.batch.validation import SpeakerJob
from voicemill.cluster import nodes, submission
from voicemill.cluster.api import Api, Json
from voicemill.cluster.submission import Plan
from voicemill.contract import renames, workflow_parameters
from voicemill.core.digests import content_digest
from voicemill.core.errors import InputError, UsageError
from voicemill.storage import open_store

CONDUCTS = "clone-batch"
"""The WorkflowTemplate that makes a batch."""
PLACE = "batches"

Upload = Callable[[Path, str | None], str]
"""Uploads a path for a speaker, or for all, and returns its address."""


@dataclass(frozen=True)
class Request:
    """A batch that somebody wants.

    Attributes:
        manifest: The manifest here.
        common: Parameters for all speakers; paths are meant from the current folder.
        in_pods: Parameters whose paths are places in the pods.
    """

    manifest: Path
    common: dict[str, str]
    in_pods: frozenset[str] = frozenset()


def check(request: Request, plan: Plan) -> tuple[list[SpeakerJob], list[ManifestError]]:
    """Return what is asked for and what is wrong with it, before anything is uploaded.

    Args:
        request: What somebody wants.
        plan: The workflow that makes a voice, as the cluster has it.

    Raises:
        UsageError: for parameters for all speakers that cannot be used.
    """
    elsewhere = request.in_pods
    wrong = validation.problems_of_common(request.common, plan.workflow, folder=Path.cwd(), elsewhere=elsewhere)
    workflow_parameters.refuse(plan.name, wrong)
    read, folder = manifests.read(request.manifest), request.manifest.absolute().parent
    # What is written to is never of this machine.
    written = frozenset(plan.parameters.places(written=True))
    jobs, errors = validation.jobs(read, request.common, plan.workflow, folder=folder, elsewhere=elsewhere | written)
    workflow_parameters.refuse(plan.name, submission.problems_of_transport(plan, request.common, elsewhere))
    for job in jobs:
        problems = submission.problems_of_transport(plan, _own(job, request), elsewhere)
        errors += [ManifestError(job.line, str(problem)) for problem in problems]
    return jobs, sorted(set(errors))


def bring(request: Request, plan: Plan, jobs: list[SpeakerJob], name: str, upload: Upload) -> str:
    """Upload the sources and other files of this machine, and a manifest that names where they are then.

    Args:
        request: What somebody wants.
        plan: The workflow that makes a voice.
        jobs: The manifest's, without mistakes.
        name: The batch's.
        upload: Uploads.

    Returns:
        The manifest's s3:// address.
    """
    bucket = os.environ.get("S3_BUCKET")
    if not bucket:
        raise UsageError(
            "the manifest has to be uploaded: set S3_BUCKET (and S3_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        )
    common = _placed(plan, request, request.common, lambda path: upload(path, None))
    lines = [""] * max(job.line for job in jobs)
    for job in jobs:
        own = _placed(plan, request, _own(job, request), lambda path, job=job: upload(path, job.speaker))
        # On the line that it had, so that the summary can say it.
        lines[job.line - 1] = json.dumps({**common, **own}, ensure_ascii=False)
    content = "".join(f"{line}\n" for line in lines).encode()
    key = f"{PLACE}/{name}/manifests/{content_digest(content)[:16]}.jsonl"
    open_store(f"s3://{bucket}").write(key, content)
    return f"s3://{bucket}/{key}"


def _own(job: SpeakerJob, request: Request) -> dict[str, str]:
    """Return an order's parameters that are not as for all speakers."""
    return {name: value for name, value in job.values.items() if request.common.get(name) != value}


def _placed(plan: Plan, request: Request, values: dict[str, str], upload: Callable[[Path], str]) -> dict[str, str]:
    return submission.place_files(plan, values, request.in_pods, upload)


@dataclass(frozen=True)
class Standing:
    """How a batch stands.

    Attributes:
        rows: Of the speakers whose workflow the cluster has, in the order of the manifest as far as it is known.
        conductor: The workflow that conducts it, or did last.
        running: Whether it goes on.
        progress: Speakers who are done and all of them, as `N/M`; empty before it is known.
    """

    rows: list[State]
    conductor: str
    running: bool
    progress: str


def standing(api: Api, name: str) -> Standing:
    """Return how a batch stands, by one list of its speakers' workflows and one of those that conduct it.

    Raises:
        InputError: if the cluster has no such batch.
    """
    found = sorted(_conductors(api, name), key=lambda each: each["metadata"]["creationTimestamp"])
    them = speaker_workflows.latest(
        speaker_workflows.from_sketch(sketch) for sketch in api.sketches(speaker_workflows.of_batch(name))
    )
    if not found and not them:
        raise InputError(f"no batch {name} in the namespace {api.namespace}, and no folder of that name")
    rows = sorted((_row(child) for child in them.values()), key=lambda row: (row.line, row.speaker))
    if not found:
        return Standing(rows, "", False, "")
    conducts = [task for task in nodes.tasks(found[-1]) if renames.present_stage(task.name) == "run-batch"]
    progress = conducts[-1].node.get("progress", "") if conducts else ""
    return Standing(rows, found[-1]["metadata"]["name"], not nodes.has_ended(found[-1]), progress)


def running(api: Api, name: str) -> list[str]:
    """Return the names of the workflows that conduct a batch at this moment."""
    return [each["metadata"]["name"] for each in _conductors(api, name) if not nodes.has_ended(each)]


def _conductors(api: Api, name: str) -> list[Json]:
    return api.workflows(speaker_workflows.conductors(speaker_workflows.check_name(name)))


def _row(child: speaker_workflows.SpeakerWorkflow) -> State:
    if child.row:
        return child.row
    return State(child.speaker, 0, "waiting" if child.phase == "Pending" else "running", folder=child.name)
