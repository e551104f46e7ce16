"""The workflows of a batch on a cluster: one that conducts it, and one for each speaker.

Labels tell which they are, what each was made for and what came of it; whether one has ended is said by the
controller's own. So they can be listed by the thousand without their specs and statuses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from voicemill.batch import state as states
from voicemill.batch.state import Batch, State
from voicemill.batch.validation import SpeakerJob
from voicemill.cluster import nodes, queues
from voicemill.cluster.api import GROUP, VERSION, Json
from voicemill.cluster.submission import Plan, workflow_of
from voicemill.core import untrusted
from voicemill.core.digests import content_digest
from voicemill.core.errors import UsageError

BATCH = "voicemill.dev/batch"
"""Label of all of them: the batch's name."""
CONDUCTOR = "voicemill.dev/conductor"
"""Label of a speaker's: the run that conducts it."""
INPUT_DIGEST = "voicemill.dev/mark"
"""Label of a speaker's: what its voice is made from."""
OUTCOME = "voicemill.dev/outcome"
"""Label of a speaker's that has ended, once what came of it is kept."""
SPEAKER = "voicemill.dev/speaker-of-batch"
"""Annotation of a speaker's: the name, which a label need not hold."""
ROW = "voicemill.dev/row"
"""Annotation of a speaker's with an outcome: its row of the summary, as JSON."""
COMPLETED = "workflows.argoproj.io/completed"

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_LONGEST_REASON = 1000


@dataclass(frozen=True)
class BatchSettings:
    """On which a batch is conducted.

    Attributes:
        name: The batch's.
        run: Name of the workflow that conducts it.
        uid: That workflow's.
        max_parallel: Speakers that are worked on at the same time.
        priority: Of their workflows among all others of the controller.
        queue: Kueue's, for their pods; none if empty.
        inline: Whether whole workflows are submitted rather than references to the WorkflowTemplate.
    """

    name: str
    run: str
    uid: str
    max_parallel: int = 10
    priority: int = 0
    queue: str = ""
    inline: bool = False


@dataclass(frozen=True)
class SpeakerWorkflow:
    """A speaker's workflow, by its metadata."""

    name: str
    speaker: str
    input_digest: str
    conductor: str
    outcome: str
    phase: str
    completed: bool
    created: str
    row: State | None

    @property
    def has_voice(self) -> bool:
        return self.phase == "Succeeded"


def check_name(name: str) -> str:
    """Return a name that a batch can have.

    Raises:
        UsageError: if it cannot.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a valid batch name: use lower-case letters, digits and -, at most 40")
    return name


def check_queue(template: Json, queue: str) -> None:
    """See that a batch's queue becomes that of all pods.

    Args:
        template: The WorkflowTemplate that makes a voice; its stages' own labels go before those of a whole workflow.
        queue: The batch's; none if empty.

    Raises:
        UsageError: if some pods would wait in another one.
    """
    others = sorted(queues.queues(template) - {queue})
    if queue and others:
        raise UsageError(
            f"--queue {queue} does not reach the GPU pods: the release puts them into the queue {others[0]}"
            " (gpu.queue.name); leave out --queue, or empty gpu.queue.name"
        )


def of_batch(name: str) -> str:
    """Return the selector of the speakers' workflows of a batch."""
    return f"{BATCH}={name},{CONDUCTOR}"


def conductors(name: str) -> str:
    """Return the selector of the workflows that conduct a batch, or did."""
    return f"{BATCH}={name},!{CONDUCTOR}"


def name_of(settings: BatchSettings, speaker: str, input_digest: str) -> str:
    """Name of a speaker's workflow: the same whenever the same conductor asks, and another for every other one."""
    digest = content_digest("\0".join([settings.name, settings.run, speaker, input_digest]))[:10]
    readable = re.sub("[^a-z0-9]+", "-", speaker.lower())[:20].strip("-")
    # The controller puts it into a label, which holds 63 characters.
    return "-".join(part for part in (settings.name[:24].strip("-"), readable, digest) if part)


def owner(settings: BatchSettings) -> list[Json]:
    """Return what ties a speaker's workflow to the conductor's: when that is deleted, the cluster deletes this."""
    kind = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Workflow"}
    return [{**kind, "name": settings.run, "uid": settings.uid, "blockOwnerDeletion": False}]


def workflow_for(plan: Plan, job: SpeakerJob, input_digest: str, settings: BatchSettings) -> Json:
    """Return a speaker's workflow, to be created.

    Args:
        plan: The workflow that makes a voice.
        job: The speaker's.
        input_digest: Of what the voice is made from.
        settings: The batch's.
    """
    name = name_of(settings, job.speaker, input_digest)
    workflow = workflow_of(replace(plan, inline=settings.inline), job.values, name)
    metadata, spec = workflow["metadata"], workflow["spec"]
    metadata["labels"] |= {BATCH: settings.name, CONDUCTOR: settings.run, INPUT_DIGEST: input_digest}
    metadata["annotations"] = {**metadata.get("annotations", {}), SPEAKER: job.speaker}
    metadata["ownerReferences"] = owner(settings)
    if settings.priority:
        spec["priority"] = settings.priority
    if settings.queue:
        given = plan.template["spec"].get("podMetadata") or {}
        spec["podMetadata"] = {**given, "labels": {**(given.get("labels") or {}), queues.LABEL: settings.queue}}
    return workflow


def from_sketch(sketch: Json) -> SpeakerWorkflow:
    """Return a speaker's workflow as a list of sketches has it."""
    metadata = sketch["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    row = annotations.get(ROW)
    return SpeakerWorkflow(
        name=metadata["name"],
        speaker=annotations.get(SPEAKER, ""),
        input_digest=labels.get(INPUT_DIGEST, ""),
        conductor=labels.get(CONDUCTOR, ""),
        outcome=labels.get(OUTCOME, ""),
        phase=labels.get(nodes.PHASE, "Pending"),
        completed=labels.get(COMPLETED) == "true",
        created=metadata.get("creationTimestamp", ""),
        row=row_from(row, metadata["name"]) if row else None,
    )


def latest(speaker_workflows: Iterable[SpeakerWorkflow]) -> dict[str, SpeakerWorkflow]:
    """Return each speaker's latest."""
    return {child.speaker: child for child in sorted(speaker_workflows, key=lambda child: child.created)}


def noted(row: State) -> Json:
    """Return the metadata of a workflow of which the outcome is kept."""
    return {"labels": {OUTCOME: row.outcome}, "annotations": {ROW: json.dumps(asdict(row), ensure_ascii=False)}}


def row_from(text: str, workflow: str) -> State:
    """Return a row out of the annotation of a speaker's workflow.

    Raises:
        InputError: If it is not what `noted` writes.
    """
    name, hint = f"the annotation {ROW} of {workflow}", "delete that workflow"
    return untrusted.shaped(State, untrusted.parse_json(text, name, dict, hint=hint, nan=True), name, hint=hint)


def row_of(workflow: Json, job: SpeakerJob, batch: Batch) -> State:
    """Return what came of a speaker's workflow that has ended.

    Args:
        workflow: With its whole status.
        job: The speaker's.
        batch: Has the prices.
    """
    outcome, status = nodes.outcome_of(workflow), workflow.get("status") or {}
    tasks = {task.name: task for task in nodes.tasks(workflow)}
    run = workflow["metadata"]["name"]
    row = State(job.speaker, job.line, "voice" if outcome == "done" else "failed")
    row.folder = nodes.place(workflow, f"{states.RUNS}/{job.speaker}/{run}")
    if outcome == "stopped":
        row.outcome = "stopped"
    elif outcome != "done":
        row.reason, row.cause = _reason(tasks, status)[:_LONGEST_REASON], outcome
    row.minutes = nodes.seconds_between(status.get("startedAt"), status.get("finishedAt")) / 60
    row.spend(_gpu_seconds(status), (status.get("resourcesDuration") or {}).get("cpu", 0), batch)
    row.minutes_in, row.minutes_used = _minutes(tasks.get("ingest")), _minutes(tasks.get("format"))
    published = _summary(tasks.get("publish")) if row.outcome == "voice" else {}
    row.voice = published.get("version")
    row.error_rate, row.similarity, row.score = (published.get(name) for name in ("error_rate", "similarity", "score"))
    return row


def _gpu_seconds(status: Json) -> dict[str, float]:
    """Return the GPU seconds of a run by stage, of all tries, also of those that were lost."""
    found: dict[str, float] = {}
    for node in (status.get("nodes") or {}).values():
        if node["type"] == "Pod" and (seconds := _of_devices(node)):
            stage = node.get("templateName") or node["displayName"]
            found[stage] = found.get(stage, 0.0) + seconds
    # What the whole has more than its nodes is of nodes that are not there any more.
    rest = _of_devices(status) - sum(found.values())
    return {**found, "": rest} if rest > 0 else found


def _of_devices(of: Json) -> float:
    # Of what pods ask for, only devices have a vendor's name before a slash.
    return sum(seconds for name, seconds in (of.get("resourcesDuration") or {}).items() if "/" in name)


def _reason(tasks: dict[str, nodes.Task], status: Json) -> str:
    for task in tasks.values():
        if task.phase in ("Failed", "Error"):
            code = f" (exit code {task.exit_code})" if task.exit_code is not None else ""
            return f"{task.name}: {task.node['message']}{code}"
    return status.get("message") or f"ended as {status.get('phase', 'nothing')}"


def _summary(task: nodes.Task | None) -> dict[str, Any]:
    """Return what a stage said of itself when it ended well."""
    outputs = (task.node.get("outputs") or {}).get("parameters") or [] if task else []
    text = next((item["value"] for item in outputs if item["name"] == "summary" and "value" in item), "{}")
    return states.summary_of(text)


def _minutes(task: nodes.Task | None) -> float | None:
    seconds = _summary(task).get("seconds")
    return seconds / 60 if isinstance(seconds, int | float) else None
