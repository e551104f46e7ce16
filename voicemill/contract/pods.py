"""How a stage's pod runs on a cluster: under the `restricted` Pod Security Standard, in anybody's workflow.

A stage's template brings all that its pod needs: volumes, accounts, security contexts, settings. So a workflow that
uses it, by Hera or by `templateRef`, has nothing to declare. The names of the ConfigMap, the Secret and the service
accounts are the chart's defaults.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from voicemill.contract import retries

if TYPE_CHECKING:
    from hera.workflows.models import PodSecurityContext

PART_OF = {"app.kubernetes.io/part-of": "voicemill"}
SERVICE_ACCOUNT = "voicemill"
CONDUCTOR = "voicemill-conductor"
"""Service account of what makes and ends workflows itself."""
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

# What Argo's own containers can be given as well; a read-only root they cannot.
_RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def security_context() -> PodSecurityContext:
    """Return the security context of a pod."""
    from hera.workflows import models

    return models.PodSecurityContext(
        run_as_non_root=True,
        run_as_user=USER,
        run_as_group=USER,
        fs_group=USER,
        seccomp_profile=models.SeccompProfile(type="RuntimeDefault"),
    )


def policy(*, conducts: bool, needs_gpu: bool) -> dict[str, Any]:
    """Return the arguments of Hera's `Container` by which a stage's pod runs on any cluster.

    Args:
        conducts: Whether the stage makes and ends workflows itself, and waits for them.
        needs_gpu: Whether it may run on nodes that are kept for GPUs.
    """
    from hera.workflows import ConfigMapEnvFrom, EmptyDirVolume, SecretEnvFrom, models

    return {
        "service_account_name": CONDUCTOR if conducts else SERVICE_ACCOUNT,
        "active_deadline_seconds": str(LONGEST_BATCH_SECONDS if conducts else LONGEST_TRY_SECONDS),
        "pod_security_context": security_context(),
        "security_context": models.SecurityContext(
            allow_privilege_escalation=False,
            capabilities=models.Capabilities(drop=["ALL"]),
            read_only_root_filesystem=True,
        ),
        "volumes": [
            EmptyDirVolume(name="scratch", mount_path="/tmp"),
            EmptyDirVolume(name="shm", medium="Memory", mount_path="/dev/shm"),
        ],
        "env_from": [
            ConfigMapEnvFrom(name=SETTINGS, optional=True),
            SecretEnvFrom(name=CREDENTIALS, optional=True),
        ],
        "tolerations": [models.Toleration(key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")]
        if needs_gpu
        else None,
    }


def patch(memory: str, grace_seconds: int | None = None) -> str:
    """Return a stage's `podSpecPatch`: memory that grows after a kill for it, and Argo's own containers restricted.

    Args:
        memory: What the first try gets, as a Kubernetes quantity in Mi or Gi.
        grace_seconds: Time between SIGTERM and SIGKILL; None leaves it to the cluster (30 s).
    """
    grown = retries.grown_memory(memory)
    grace = {} if grace_seconds is None else {"terminationGracePeriodSeconds": grace_seconds}
    main = {"name": "main", "resources": {"requests": {"memory": grown}, "limits": {"memory": grown}}}
    return json.dumps(
        {
            **grace,
            "initContainers": [{"name": "init", "securityContext": _RESTRICTED}],
            "containers": [main, {"name": "wait", "securityContext": _RESTRICTED}],
        }
    )
