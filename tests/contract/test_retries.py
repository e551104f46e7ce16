"""What is tried again, by the expression that both engines evaluate."""

import pytest

from voicemill.contract.retries import EXPRESSION, MEMORY_TRIES
from voicemill.engine.expressions import parse


def again(code: int, *, tries: int = 0, status: str = "Failed", message: str = "") -> bool:
    last = {"exitCode": str(code), "status": status, "message": message, "duration": "1"}
    return parse(EXPRESSION).truth({"retries": str(tries), **{f"lastRetry.{name}": last[name] for name in last}})


def test_exit_codes_decide() -> None:
    codes = (0, 1, 2, 64, 65, 66, 69, 73, 75, 77, 137, 143)
    # 2 is Argo's emissary, which a SIGTERM reached before it listened.
    assert [code for code in codes if again(code)] == [2, 75, 77, 137, 143]
    assert not again(77, tries=MEMORY_TRIES) and not again(137, tries=MEMORY_TRIES) and again(75, tries=MEMORY_TRIES)
    assert not again(137, message="Container main exceeded its local ephemeral storage limit: usage 41Mi exceeds 40Mi")


@pytest.mark.parametrize("message", ["pod deleted", "node gpu-7 is lost", "wait: Error (exit code 64): timeout", ""])
def test_a_pod_that_was_lost_is_tried_again(message: str) -> None:
    assert again(-1, status="Error", message=message)


@pytest.mark.parametrize(
    "message",
    [
        'pods "run-1" is forbidden: failed quota: limits: must specify limits.cpu for: init,main,wait',
        'pods "run-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        'pods "run-1" is forbidden: error looking up service account voices/voicemill: not found',
        'Pod "run-1" is invalid: spec.containers[0].resources.requests: Invalid value',
        'admission webhook "policy.example.com" denied the request: image not signed',
        "volume 'scratch' not found in workflow spec",
        "wait: Error (exit code 64): failed to put file: Access Denied.",
        "init: Error (exit code 64): The Access Key Id you provided does not exist in our records.",
    ],
)
def test_what_would_be_refused_again_is_not(message: str) -> None:
    assert not again(-1, status="Error", message=message)
    assert not again(0, status="Error", message=message)
