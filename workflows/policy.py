"""What holds for each of our own workflows: who runs it, its labels, and what is left of it afterwards.

What a stage's pod needs comes with the stage's template, see `voicemill.contract.pods`.
"""

import json
from typing import Any

from hera.workflows import WorkflowTemplate, models

from voicemill.contract.pods import DAY_SECONDS, PART_OF, SERVICE_ACCOUNT, security_context


def keys_of(speaker: str) -> str:
    """Prefix of a run's artifacts that are of a speaker, under whose name whoever revokes the voice finds them."""
    return f"voices/{speaker}/{{{{workflow.name}}}}"


KEYS = keys_of("{{workflow.parameters.speaker}}")
"""Where a run's artifacts lie in the artifact repository; a task's are under its name."""

# The controller leaves the command of this pod to the executor image's entry point, which a rebuilt image may lack; and
# 64 MiB, its own limit, is little for a folder of thousands of clips.
_COLLECTOR_PATCH = json.dumps(
    {"containers": [{"name": "main", "command": ["argoexec"], "resources": {"limits": {"memory": "256Mi"}}}]}
)
# A label holds 63 ASCII characters; names in other scripts are told by their hash.
_AS_LABEL = (
    "workflow.parameters.{0} matches '^[A-Za-z0-9]([A-Za-z0-9._-]{{0,61}}[A-Za-z0-9])?$'"
    " ? workflow.parameters.{0}"
    " : 'sha256-' + sprig.trunc(16, sprig.sha256sum(workflow.parameters.{0}))"
)


def workflow_template(name: str, *, of: str | None = None, **fields: Any) -> WorkflowTemplate:
    """Return one of our WorkflowTemplates, to be filled within its context.

    Args:
        name: Its name.
        of: Parameter that its runs have as the label `voicemill.dev/<parameter>`, such as `speaker`.
        **fields: Any argument of Hera's `WorkflowTemplate`.
    """
    labels = {**PART_OF, "app.kubernetes.io/name": name}
    from_parameters = {f"voicemill.dev/{of}": models.LabelValueFrom(expression=_AS_LABEL.format(of))} if of else None
    return WorkflowTemplate(
        name=name,
        labels=labels,
        workflow_metadata=models.WorkflowMetadata(labels=labels, labels_from=from_parameters),
        service_account_name=SERVICE_ACCOUNT,
        security_context=security_context(),
        ttl_strategy=models.TTLStrategy(seconds_after_success=7 * DAY_SECONDS, seconds_after_failure=14 * DAY_SECONDS),
        # Pods of a run that failed stay to be looked at.
        pod_gc=models.PodGC(strategy="OnWorkflowSuccess"),
        # What a stage declares as kept stays.
        artifact_gc=models.WorkflowLevelArtifactGC(
            strategy="OnWorkflowDeletion",
            service_account_name=SERVICE_ACCOUNT,
            pod_metadata=models.Metadata(labels=PART_OF),
            pod_spec_patch=_COLLECTOR_PATCH,
        ),
        **fields,
    )
