"""What a batch on a cluster is to make, read where it is conducted: nothing there is of the submitter's machine."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from voicemill.batch import manifest as manifests
from voicemill.batch import speaker_workflows, validation
from voicemill.batch.manifest import Manifest, ManifestError
from voicemill.batch.state import Batch, gpu_classes
from voicemill.cluster import argo_text, submission
from voicemill.cluster.api import Api
from voicemill.cluster.submission import Plan
from voicemill.contract import config, workflow_parameters
from voicemill.contract.values import shown
from voicemill.core.text_or_path import path_in
from voicemill.storage import fetch

_OF_BATCH = frozenset({"run-batch", "batch-report"})
"""Stages of clone-batch itself."""


@dataclass(frozen=True)
class BatchPlan:
    """A batch to be made.

    Attributes:
        batch: With an order for each row of the manifest.
        plan: The workflow that makes a voice.
        errors: Why it cannot be made, if it cannot.
    """

    batch: Batch
    plan: Plan
    errors: list[ManifestError]

    @property
    def wrong(self) -> dict[int, str]:
        """Lines that have mistakes, with all of them."""
        texts: dict[int, list[str]] = {}
        for error in self.errors:
            texts.setdefault(error.line, []).append(error.text)
        return {line: "; ".join(several) for line, several in texts.items()}


@dataclass(frozen=True)
class BatchRequest:
    """The parameters of clone-batch that say what is to be made; see the stage `run-batch`."""

    manifest: str
    batch: str
    workflow: str = "clone-voice"
    parameters: str = ""
    config: str = ""
    min_success_ratio: float = 1.0
    gpu_hour: float = 0.0
    cpu_hour: float = 0.0

    @classmethod
    def of(cls, given: dict[str, str]) -> BatchRequest:
        """Return what a run's parameters ask for; others among them are left."""
        own = {name.replace("-", "_"): value for name, value in given.items()}
        values: dict[str, Any] = {
            field.name: (float if isinstance(field.default, float) else str)(own[field.name])
            for field in fields(cls)
            if own.get(field.name)
        }
        return cls(**values)


def read(api: Api, request: BatchRequest, *, look: bool = True) -> BatchPlan:
    """Read and check what is to be made.

    Args:
        api: The cluster, which has the workflow.
        request: What was asked for.
        look: Whether to look if the sources on S3 are there.

    Raises:
        UsageError: for a name or parameters for all speakers that cannot be used.
        InputError: for a manifest that is not there, or a workflow that the cluster lacks.
        TryAgain: if S3 or the cluster cannot be reached.
    """
    speaker_workflows.check_name(request.batch)
    plan = submission.plan(api, request.workflow)
    common = _config_of_speakers(request.config) | manifests.common(request.parameters).values
    common = plan.parameters.by_present_names(common)
    workflow_parameters.refuse(plan.name, validation.problems_of_common(common, plan.workflow, folder=None))
    jobs, errors = validation.jobs(_manifest(request.manifest), common, plan.workflow, folder=None, look=look)
    errors += [
        ManifestError(job.line, f"{name}: {shown(value)} {problem}; give it in a file in S3")
        for job in jobs
        for name, value in job.values.items()
        if (problem := argo_text.problem_of(value))
    ]
    title = "the manifest" if "\n" in request.manifest else request.manifest
    prices = (request.gpu_hour, request.cpu_hour)
    classes = gpu_classes(plan.workflow)
    batch = Batch(request.workflow, title, tuple(jobs), request.min_success_ratio, *prices, gpu_classes=classes)
    return BatchPlan(batch, plan, errors)


def _config_of_speakers(value: str) -> dict[str, str]:
    """Return the config of a batch as its speakers' workflows are to have it, without what is the batch's own."""
    sections = config.read(value)
    text = config.text_of({stage: options for stage, options in sections.items() if stage not in _OF_BATCH})
    return {config.CONFIG.name: text} if text else {}


def _manifest(text: str) -> Manifest:
    """Return a manifest from an address, or from the text itself."""
    place = path_in(text)
    if place is None:
        return manifests.parse(text, is_csv=not text.lstrip().startswith("{"))
    return manifests.read(fetch(place))
