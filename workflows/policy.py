"""How pods run on a cluster: the one place that says it, for every container of every workflow here.

Importing this module registers Hera's pre-build hooks, which lay the policy upon our own objects (those that hold
stages) when they are compiled. What depends on a stage (memory, GPU, retries) follows from its declaration, see
`voicemill.contract`. The names of the ConfigMap, the Secret and the service account are the chart's defaults.
"""

# No postponed annotations here: Hera tells by its return type what a hook is for.

import copy
import json

from hera.shared import register_pre_build_hook
from hera.workflows import ConfigMapEnvFrom, Container, EmptyDirVolume, SecretEnvFrom, WorkflowTemplate, models


def keys_of(speaker: str) -> str:
    """Prefix of a run's artifacts that are of a speaker, under whose name whoever revokes the voice finds them."""
    return f"voices/{speaker}/{{{{workflow.name}}}}"


KEYS = keys_of("{{workflow.parameters.speaker}}")
"""Where a run's artifacts lie in the artifact repository; a task's are under its name."""

PART_OF = {"app.kubernetes.io/part-of": "voicemill"}
SERVICE_ACCOUNT = "voicemill"
CONDUCTOR = "voicemill-conductor"
"""Service account of what makes and ends workflows itself."""
CONDUCTING = {"run-batch", "batch-report"}
SETTINGS = "voicemill"
"""ConfigMap with S3_ENDPOINT, S3_BUCKET, AWS_REGION and the like."""
CREDENTIALS = "voicemill-s3"
"""Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; not needed with workload identity."""

USER = 65532
DAY_SECONDS = 24 * 60 * 60
LONGEST_TRY_SECONDS = 2 * DAY_SECONDS
"""A pod that hangs does not hold a GPU for ever; training resumes from its state where it was cut off."""
LONGEST_BATCH_SECONDS = 60 * DAY_SECONDS
"""A conductor waits for the workflows of thousands of speakers, and holds nothing meanwhile."""

KEPT = {
    "train-sovits/weights",
    "train-gpt/weights",
    "publish/voice",
    "synthesize/speech",
    "collect-speech/manifest",
    "report/report",
    "compare/comparison",
    "batch-report/table",
}
"""Artifacts that outlive their run. All others are deleted from S3 together with the workflow."""

# What Argo's own containers can be given as well; a read-only root they cannot.
_RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_EXECUTOR_PATCH = json.dumps(
    {
        "initContainers": [{"name": "init", "securityContext": _RESTRICTED}],
        "containers": [{"name": "wait", "securityContext": _RESTRICTED}],
    }
)
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
_LABELS = ("speaker", "batch")
"""Parameters that a workflow has as labels."""


@register_pre_build_hook
def run_as_anybody_may(workflow: WorkflowTemplate) -> WorkflowTemplate:
    """Set who runs a workflow's pods, where they may write, and what is left of them afterwards."""
    if not any(_is_stage(template) for template in workflow.templates):
        return workflow
    workflow = copy.copy(workflow)
    names = {parameter.name for parameter in workflow.arguments or []}  # pyright: ignore
    labels = {**PART_OF, "app.kubernetes.io/name": str(workflow.name)}
    workflow.labels = {**labels, **(workflow.labels or {})}
    workflow.workflow_metadata = models.WorkflowMetadata(
        labels=labels,
        labels_from={
            f"voicemill.dev/{name}": models.LabelValueFrom(expression=_AS_LABEL.format(name))
            for name in _LABELS
            if name in names
        }
        or None,
    )
    workflow.service_account_name = SERVICE_ACCOUNT
    workflow.security_context = models.PodSecurityContext(
        run_as_non_root=True,
        run_as_user=USER,
        run_as_group=USER,
        fs_group=USER,
        seccomp_profile=models.SeccompProfile(type="RuntimeDefault"),
    )
    workflow.pod_spec_patch = _EXECUTOR_PATCH
    workflow.volumes = [EmptyDirVolume(name="scratch"), EmptyDirVolume(name="shm", medium="Memory")]  # pyright: ignore
    workflow.ttl_strategy = models.TTLStrategy(
        seconds_after_success=7 * DAY_SECONDS, seconds_after_failure=14 * DAY_SECONDS
    )
    # Pods of a run that failed stay to be looked at.
    workflow.pod_gc = models.PodGC(strategy="OnWorkflowSuccess")
    workflow.artifact_gc = models.WorkflowLevelArtifactGC(
        strategy="OnWorkflowDeletion",
        service_account_name=SERVICE_ACCOUNT,
        pod_metadata=models.Metadata(labels=PART_OF),
        pod_spec_patch=_COLLECTOR_PATCH,
    )
    return workflow


@register_pre_build_hook
def run_restricted(container: Container) -> Container:
    """Give a stage's container what it needs under the restricted Pod Security Standard, and a GPU node if it asks."""
    if not _is_stage(container):
        return container
    container = copy.copy(container)
    container.security_context = models.SecurityContext(
        allow_privilege_escalation=False,
        capabilities=models.Capabilities(drop=["ALL"]),
        read_only_root_filesystem=True,
    )
    container.volume_mounts = [
        models.VolumeMount(name="scratch", mount_path="/tmp"),
        models.VolumeMount(name="shm", mount_path="/dev/shm"),
    ]
    container.env_from = [
        ConfigMapEnvFrom(name=SETTINGS, optional=True),
        SecretEnvFrom(name=CREDENTIALS, optional=True),
    ]
    conducts = container.name in CONDUCTING
    container.active_deadline_seconds = str(LONGEST_BATCH_SECONDS if conducts else LONGEST_TRY_SECONDS)
    if conducts:
        container.service_account_name = CONDUCTOR
    if "voicemill.dev/gpu-memory" in (container.annotations or {}):
        container.tolerations = [
            models.Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule"),
        ]
    container.outputs = [_collected(output, str(container.name)) for output in container.outputs or []]  # pyright: ignore
    return container


def _collected(output: object, stage: str) -> object:
    """The output, marked as one that stays if it is."""
    if f"{stage}/{getattr(output, 'name', '')}" not in KEPT or not hasattr(output, "artifact_gc"):
        return output
    kept = copy.copy(output)
    kept.artifact_gc = models.ArtifactGC(strategy="Never")  # pyright: ignore
    return kept


def _is_stage(template: object) -> bool:
    return isinstance(template, Container) and "voicemill.dev/stage" in (template.annotations or {})  # pyright: ignore
