"""A suspend template: waits for a person's approval, or for its duration to pass.

An approval comes from the command line (`--approve NODE`), from the terminal, or as a file `approval.json` in the
node's folder, `{"parameters": {...}}`, which is how another program (a review page) approves exactly this node. It is
kept for later runs as long as what came before the node is unchanged.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicemill.core.errors import InputError
from voicemill.core.untrusted import read_json
from voicemill.engine import cache
from voicemill.engine.digests import digest_of
from voicemill.engine.fields import Json, rows, section
from voicemill.engine.nodes import Node, Phase
from voicemill.engine.retries import seconds_of
from voicemill.engine.scope import Call, NodeError, filled
from voicemill.engine.workflow import text_of

if TYPE_CHECKING:
    from voicemill.engine.execution import Attempt, Execution

APPROVAL = "approval.json"
_SECONDS_BETWEEN_LOOKS = 0.5
_LOOKS_AT_A_BROKEN_FILE = 6  # whoever writes it may just be at it


class _Unanswered(Exception):
    """Nobody here can approve it."""


async def run(execution: Execution, attempt: Attempt) -> None:
    """Wait until the node is approved or its duration is over; fills its supplied output parameters.

    Where nobody can approve it the node stays Pending, the run does all that does not depend on it, and ends.
    """
    node, call = attempt.node, attempt.call
    folder = execution.folder / call.folder
    node.key = digest_of({"suspend": call.template["suspend"], "inputs": call.parameters, "upstream": call.upstream})
    attempt.shown.key = node.key
    expected = cache.Expected(parameters=frozenset(item["name"] for item in _outputs(call)))
    if cache.restore(folder, node, expected, execution.digests):
        return
    approval = folder / APPROVAL
    if cache.started_key(folder) != node.key:
        cache.begin(folder, node.key)
    node.phase, node.started = Phase.RUNNING, time.time()
    duration = section(call.template, "suspend").get("duration")
    end = node.started + seconds_of(duration) if duration else None
    names = (node.name, node.display_name, "all")
    execution.events.emit("waits", node, approval=str(approval), inputs=call.parameters, duration=duration)
    if any(name in execution.options.approve for name in names):
        supplied: dict[str, str] | None = {}
    else:
        try:
            supplied = await _approved(execution, node, call, approval, end)
        except _Unanswered:
            node.phase = Phase.PENDING
            execution.waiting.append(node.name)
            return
    _supply(call, node, supplied)
    node.end(Phase.SUCCEEDED)
    execution.events.emit("approved" if supplied is not None else "resumed", node, parameters=node.parameters)
    cache.save(folder, node, execution.digests)


async def _approved(
    execution: Execution, node: Node, call: Call, approval: Path, end: float | None
) -> dict[str, str] | None:
    """Return values given with the approval; None if the duration passed instead."""
    asked: asyncio.Task[dict[str, str] | None] | None = None
    looks = 0
    if execution.options.ask:
        asked = asyncio.create_task(execution.ask(node.name, _wanted(call)))
    try:
        while end is None or time.time() < end:
            if approval.exists():
                looks += 1
                try:
                    return _read(approval)
                except NodeError:
                    if looks == _LOOKS_AT_A_BROKEN_FILE:
                        raise
            elif asked is not None and asked.done():
                answer = asked.result()
                if answer is None:
                    raise _Unanswered
                return answer
            elif asked is None and end is None and not execution.options.wait:
                raise _Unanswered
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
        return None
    finally:
        if asked is not None:
            asked.cancel()


def _read(approval: Path) -> dict[str, str]:
    try:
        found = read_json(approval, dict[str, Any])
        return {name: text_of(value) for name, value in section(found, "parameters").items()}
    except (InputError, AttributeError):
        raise NodeError(f'{approval} is not of the form {{"parameters": {{...}}}}') from None


def _outputs(call: Call) -> list[Json]:
    return rows(section(call.template, "outputs"), "parameters")


def _wanted(call: Call) -> dict[str, str | None]:
    """Parameters that an approval supplies, each with its default; an input of the same name lends its own."""
    inputs = {item["name"]: item for item in rows(section(call.template, "inputs"), "parameters")}
    wanted: dict[str, str | None] = {}
    for item in _outputs(call):
        default = section(item, "valueFrom").get("default", inputs.get(item["name"], {}).get("default"))
        wanted[item["name"]] = None if default is None else filled(text_of(default), call.own_scope())
    return wanted


def _supply(call: Call, node: Node, supplied: dict[str, str] | None) -> None:
    for name, default in _wanted(call).items():
        value = (supplied or {}).get(name, default)
        if value is None:
            raise NodeError(f"the output parameter {name} was not supplied and has no default")
        node.parameters[name] = value
