"""What a batch on a cluster is to make, read where it is conducted: nothing there is of the submitter's machine."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from voicemill.batch import checking, children
from voicemill.batch import manifest as manifests
from voicemill.batch.manifest import Manifest, Mistake
from voicemill.batch.state import Batch
from voicemill.cluster import argo_text, submission
from voicemill.cluster.api import Api
from voicemill.cluster.submission import Plan
from voicemill.contract import workflow_parameters
from voicemill.contract.values import shown
from voicemill.core.text_or_path import path_in
from voicemill.storage import fetch


@dataclass(frozen=True)
class Commission:
    """A batch to be made.

    Attributes:
        batch: With an order for each row of the manifest.
        plan: The workflow that makes a voice.
        mistakes: Why it cannot be made, if it cannot.
    """

    batch: Batch
    plan: Plan
    mistakes: list[Mistake]

    @property
    def wrong(self) -> dict[int, str]:
        """Lines that have mistakes, with all of them."""
        texts: dict[int, list[str]] = {}
        for mistake in self.mistakes:
            texts.setdefault(mistake.line, []).append(mistake.text)
        return {line: "; ".join(several) for line, several in texts.items()}


@dataclass(frozen=True)
class Wanted:
    """The parameters of clone-batch that say what is to be made; see the stage `conduct`."""

    manifest: str
    batch: str
    workflow: str = "clone-voice"
    parameters: str = ""
    min_success_ratio: float = 1.0
    gpu_hour: float = 0.0
    cpu_hour: float = 0.0

    @classmethod
    def of(cls, given: dict[str, str]) -> Wanted:
        """What a run's parameters ask for; others among them are left."""
        own = {name.replace("-", "_"): value for name, value in given.items()}
        values: dict[str, Any] = {
            field.name: (float if isinstance(field.default, float) else str)(own[field.name])
            for field in fields(cls)
            if field.name in own
        }
        return cls(**values)


def read(api: Api, wanted: Wanted, *, look: bool = True) -> Commission:
    """Read and check what is to be made.

    Args:
        api: The cluster, which has the workflow.
        wanted: What was asked for.
        look: Whether to look if the sources on S3 are there.

    Raises:
        UsageError: for a name or parameters for all speakers that cannot be used.
        InputError: for a manifest that is not there, or a workflow that the cluster lacks.
        TryAgain: if S3 or the cluster is away.
    """
    children.check_name(wanted.batch)
    plan = submission.plan(api, wanted.workflow)
    common = plan.parameters.by_present_names(manifests.common(wanted.parameters).values)
    workflow_parameters.refuse(plan.name, checking.problems_of_common(common, plan.workflow, folder=None))
    orders, mistakes = checking.orders(_manifest(wanted.manifest), common, plan.workflow, folder=None, look=look)
    mistakes += [
        Mistake(order.line, f"{name}: {shown(value)} {problem}; give it in a file in S3")
        for order in orders
        for name, value in order.values.items()
        if (problem := argo_text.problem_of(value))
    ]
    title = "the manifest" if "\n" in wanted.manifest else wanted.manifest
    prices = (wanted.gpu_hour, wanted.cpu_hour)
    batch = Batch(wanted.workflow, title, tuple(orders), wanted.min_success_ratio, *prices)
    return Commission(batch, plan, mistakes)


def _manifest(text: str) -> Manifest:
    """A manifest from an address, or from the text itself."""
    place = path_in(text)
    if place is None:
        return manifests.parse(text, is_csv=not text.lstrip().startswith("{"))
    return manifests.read(fetch(place))
