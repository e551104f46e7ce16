"""The one retry policy of all stages, in Argo's terms, and what a retried stage learns from it.

| exit code | meaning | what the next try gets |
| --- | --- | --- |
| 0 | done | |
| 64 to 68 | bad input | no next try |
| 69 | S3 or the cluster refuses | no next try |
| 2, 75, 143, pod lost | preempted, S3 away, a GPU that does not work | the same, after a growing pause |
| 77 | out of GPU memory | half the micro-batch, same effective batch |
| 137 | killed for host memory | more memory, by `podSpecPatch` |
| 137, disk limit exceeded | evicted | no next try |
| none, refused | the cluster takes no such pod, or S3 no such key | no next try |
| else | a bug | no next try |

Preemption may come any number of times in hours of training, so there are many tries; memory is not asked for without
end: after four tries the codes 77 and 137 are final.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hera.workflows import RetryStrategy

LIMIT = 10
MEMORY_TRIES = 4
REFUSED = "|".join(
    [
        # By the API server: a quota that wants limits, Pod Security, an account that is not there; an invalid object.
        *(" is forbidden: ", " is invalid: ", "denied the request", "not found in workflow spec", "failed to resolve"),
        # By S3, of Argo's own containers.
        *("access denied", "access key id you provided", "request signature we calculated"),
    ]
)
"""Messages (a regular expression) of pods and artifacts that are refused again however often they are tried."""
EXPRESSION = (
    # 75 is our own word; 143 a SIGTERM before Python was up to take it; 2 one in the first hundredths of a second,
    # before Argo's own program was: what Go ends with then. No stage ends with 2.
    "asInt(lastRetry.exitCode) in [2, 75, 143]"
    # 77 is our own word too; 137 the kernel's kill for memory, or the kubelet's for a disk, which memory won't widen.
    f" || (asInt(lastRetry.exitCode) in [77, 137] && asInt(retries) < {MEMORY_TRIES}"
    " && !(lastRetry.message matches '(?i)usage .*exceeds'))"
    # A node that went away, or an artifact that could not be stored, is an Error without an exit code of the stage.
    " || (lastRetry.status == 'Error' && asInt(lastRetry.exitCode) in [-1, 0]"
    f" && !(lastRetry.message matches '(?i){REFUSED}'))"
)
BACKOFF_SECONDS = 5
BACKOFF_FACTOR = 2
BACKOFF_MAX_SECONDS = 600

ENVIRONMENT = {"VOICEMILL_RETRIES": "{{retries}}", "VOICEMILL_LAST_EXIT_CODE": "{{lastRetry.exitCode}}"}
"""How a stage learns which try this is; both engines fill the values in."""


def retry_strategy() -> RetryStrategy:
    """Return the policy as a Hera object."""
    from hera.workflows import RetryStrategy
    from hera.workflows.models import Backoff, IntOrString

    backoff = Backoff(
        duration=f"{BACKOFF_SECONDS}s",
        factor=IntOrString(root=str(BACKOFF_FACTOR)),
        # Not maxDuration, which counts from the start of the first try and so would end long trainings.
        cap=f"{BACKOFF_MAX_SECONDS}s",
    )
    return RetryStrategy(limit=str(LIMIT), expression=EXPRESSION, backoff=backoff)


def grown_memory(memory: str) -> str:
    """Return a quantity, for a `podSpecPatch`, of one more helping on each try that follows a kill for memory.

    Args:
        memory: What the first try gets, as a Kubernetes quantity in Mi or Gi.
    """
    return f"{{{{=string({mebibytes(memory)} * (lastRetry.exitCode == '137' ? 1 + asInt(retries) : 1))}}}}Mi"


def mebibytes(quantity: str) -> int:
    """Return a memory quantity such as `4Gi` in MiB."""
    match = re.fullmatch(r"(\d+)(Mi|Gi)", quantity)
    assert match, f"a memory quantity is a whole number of Mi or Gi, not {quantity!r}"
    return int(match[1]) * {"Mi": 1, "Gi": 1024}[match[2]]


def micro_batch_divisor() -> int:
    """By what to divide the micro-batch on this try: 1, or 2 ** retries where the last try ran out of memory."""
    if os.environ.get("VOICEMILL_LAST_EXIT_CODE") != "77":
        return 1
    return 2 ** int(os.environ.get("VOICEMILL_RETRIES", "0"))
