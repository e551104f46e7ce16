"""Whether a task that failed is tried again, and after what pause. Source: Argo's operator.go, processNodeRetries."""

from __future__ import annotations

import re
import time

from voicemill.engine.expressions import ExpressionError, parse
from voicemill.engine.fields import Json, section
from voicemill.engine.nodes import Node, Phase
from voicemill.engine.scope import NodeError
from voicemill.engine.workflow import text_of

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_POLICIES = ("Always", "OnFailure", "OnError", "OnTransientError")


def seconds_of(duration: object) -> float:
    """Return a duration as Argo writes them, `1h30m`, `500ms`, or a plain number of seconds.

    Raises:
        NodeError: if it is none.
    """
    text = text_of(duration).strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise NodeError(f"{text!r} is not a duration such as 30s or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def variables_of(tries: list[Node]) -> dict[str, str | None]:
    """`retries` and `lastRetry.*` as the next try's command and podSpecPatch read them."""
    last = tries[-1] if tries else None
    return {
        "retries": str(len(tries)),
        "lastRetry.exitCode": str(last.exit_code) if last and last.exit_code is not None else "0",
        "lastRetry.status": str(last.phase) if last else "",
        "lastRetry.duration": str(last.seconds) if last else "0",
        "lastRetry.message": last.message if last else "",
    }


def pause_before_next(strategy: Json, tries: list[Node]) -> float | str:
    """Return the seconds to wait before another try, or, as text, why there is none.

    Args:
        strategy: The template's retryStrategy.
        tries: Those made; the last one did not succeed.

    Raises:
        NodeError: if the strategy cannot be evaluated.
    """
    last = tries[-1]
    pause: float | str = _pause(section(strategy, "backoff"), tries)
    if isinstance(pause, str):
        return pause
    expression = strategy.get("expression")
    policy = strategy.get("retryPolicy") or ("Always" if expression else "OnFailure")
    if policy not in _POLICIES:
        raise NodeError(f"{policy} is not a retryPolicy")
    # Nothing on one machine is what Argo calls a transient error, which are API server and network failures.
    accepted = {"Always": (Phase.FAILED, Phase.ERROR), "OnFailure": (Phase.FAILED,), "OnError": (Phase.ERROR,)}
    if last.phase not in accepted.get(policy, ()):
        return last.message
    limit = strategy.get("limit")
    if limit is not None and len(tries) > int(text_of(limit)):
        return "No more retries left"
    if expression:
        variables = {
            **variables_of(tries),
            "retries": str(len(tries) - 1),
            "lastRetry.exitCode": str(-1 if last.exit_code is None else last.exit_code),
        }
        try:
            again = parse(expression.removeprefix("{{=").removesuffix("}}")).truth(variables)
        except ExpressionError as error:
            raise NodeError(str(error)) from None
        if not again:
            return "retryStrategy.expression evaluated to false"
    return pause


def _pause(backoff: Json, tries: list[Node]) -> float | str:
    if not backoff:
        return 0.0
    if "duration" not in backoff:
        raise NodeError("no base duration specified for retryStrategy")
    factor = int(text_of(backoff.get("factor") or 0)) or 1
    pause = seconds_of(backoff["duration"]) * float(factor) ** (len(tries) - 1)
    if backoff.get("cap"):
        pause = min(pause, seconds_of(backoff["cap"]))
    if backoff.get("maxDuration"):
        end = tries[0].started + seconds_of(backoff["maxDuration"])
        if time.time() > end:
            return "Max duration limit exceeded"
        if tries[-1].finished + pause > end:
            return "Backoff would exceed max duration limit"
    return pause
