"""Running a workflow's templates: calls, tries, parallelism. DAG, steps, pod and suspension have their own modules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicemill.core.errors import UsageError, known
from voicemill.engine import calls, retries, templating
from voicemill.engine.digests import Digests
from voicemill.engine.events import Events
from voicemill.engine.fields import Json, rows, section
from voicemill.engine.nodes import Node, Phase
from voicemill.engine.scope import Call, NodeError
from voicemill.engine.slots import Slots
from voicemill.engine.workflow import Templates, Workflow


@dataclass
class Options:
    """How a run behaves.

    Attributes:
        approve: Names of suspended nodes to approve, or `all`.
        wait: Whether to wait for approvals where nobody can be asked; otherwise the run ends and says what it waits
            for.
        ask: Whether to ask for approvals on the terminal.
        grace: Seconds between SIGTERM and SIGKILL for a stage that has to stop.
        verify: Whether every input and output is read in full, whatever is remembered of it.
        code_version: Tells the version of the code behind `python -m MODULE`, empty where that is not known; a task
            whose code has another version runs again.
        own_config: Tells what a module takes from a config, of which the rest makes no difference to it.
    """

    approve: tuple[str, ...] = ()
    wait: bool = False
    ask: bool = False
    grace: float = 30.0
    verify: bool = False
    code_version: Callable[[str], str] = lambda module: ""
    own_config: Callable[[str, str], str] = lambda value, module: value


Ask = Callable[[str, dict[str, str | None]], Coroutine[Any, Any, dict[str, str] | None]]


async def _nobody(name: str, wanted: dict[str, str | None]) -> dict[str, str] | None:
    return None


@dataclass(frozen=True)
class Attempt:
    """One try of a template.

    Attributes:
        node: Gets the phase and the outputs.
        call: The template and its inputs.
        tries: `retries` and `lastRetry.*`, where the template has a retryStrategy.
        shown: The node that is shown for it: `node`, or the one of all tries.
    """

    node: Node
    call: Call
    tries: dict[str, str | None]
    shown: Node


Executor = Callable[["Execution", Attempt], Awaitable[None]]
"""Runs one kind of template and sees its node to a final phase."""


@dataclass
class Execution:
    """One run of a workflow.

    Attributes:
        workflow: What is run.
        folder: The run folder.
        executors: What runs a template, by the field that tells its kind: `dag`, `steps`, `suspend`, `container`.
        variables: `workflow.*`.
        nodes: Every node in the order of its start.
        keys: Place of every artifact by its S3 key, so that an exit handler may name one that way.
        exported: Output artifacts with a globalName.
        waiting: Suspended nodes that nobody could approve.
        ask: Asks a person to approve a node and to supply its parameters; None is a no.
    """

    workflow: Workflow
    folder: Path
    executors: Mapping[str, Executor]
    slots: Slots
    digests: Digests
    events: Events
    options: Options
    variables: dict[str, str | None]
    nodes: list[Node] = field(default_factory=list[Node])
    keys: dict[str, Path] = field(default_factory=dict[str, Path])
    exported: dict[str, Path] = field(default_factory=dict[str, Path])
    waiting: list[str] = field(default_factory=list[str])
    ask: Ask = _nobody
    pods: asyncio.Semaphore | None = None
    mutexes: dict[str, asyncio.Lock] = field(default_factory=dict[str, asyncio.Lock])
    boundaries: dict[str, asyncio.Semaphore] = field(default_factory=dict[str, asyncio.Semaphore])

    @property
    def reads_results(self) -> bool:
        """Whether anything reads `outputs.result`, for which stdout has to be kept apart from the log."""
        documents = [self.workflow.spec, *self.workflow.others.values()]
        return any(".outputs.result" in json.dumps(document, default=str) for document in documents)

    def node(self, name: str, template: str = "") -> Node:
        """Return a node that is part of the run from here on."""
        node = Node(name, template)
        self.nodes.append(node)
        return node

    def finish(self, node: Node, phase: Phase, message: str = "") -> Node:
        """End a node and tell of it."""
        node.end(phase, message)
        self.events.emit("task", node)
        return node

    async def run_template(
        self,
        node: Node,
        folder: str,
        templates: Templates,
        template: Json,
        given: tuple[dict[str, str], dict[str, Path]],
        *,
        own_name: dict[str, str] | None = None,
        upstream: list[str] | None = None,
        boundary: Call | None = None,
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        """Call a template and see its node to a final phase.

        Args:
            node: Gets the phase and the outputs.
            folder: Name of its folder in the run folder.
            templates: Where the template's own calls resolve.
            template: The template as written.
            given: Arguments: parameters and artifacts.
            own_name: `tasks.name` or `steps.name`.
            upstream: Keys of the tasks it comes after.
            boundary: The DAG or steps call that it is a part of.
            may_start: Asked once more when its turn has come; the node stays Pending where it may not.
        """
        node.template, node.folder = template["name"], folder
        try:
            call = calls.match(self, node, templates, template, given, own_name or {}, upstream or [])
            async with self._permission(call, boundary):
                if not may_start():
                    return
                strategy = call.template.get("retryStrategy") or self._default_strategy(call.template)
                if strategy:
                    await self._run_tries(node, call, strategy)
                else:
                    await self._run_once(node, call, {})
        except NodeError as error:
            self.finish(node, Phase.ERROR, str(error))
            return
        if node.phase is not Phase.SUCCEEDED:
            return
        for artifact in rows(section(template, "outputs"), "artifacts"):
            if artifact.get("globalName") and artifact["name"] in node.artifacts:
                self.exported[artifact["globalName"]] = node.artifacts[artifact["name"]]
        for parameter in rows(section(template, "outputs"), "parameters"):
            if parameter.get("globalName") and parameter["name"] in node.parameters:
                name = f"workflow.outputs.parameters.{parameter['globalName']}"
                self.variables[name] = node.parameters[parameter["name"]]

    def called_template(self, templates: Templates, task: Json) -> Json | None:
        """Return the template that a task calls, for what it declares; None where its name depends on an item."""
        holder = {key: task[key] for key in ("template", "templateRef", "inline") if key in task}
        if any(True for _ in templating.tags({key: holder[key] for key in holder if key != "inline"})):
            return None
        return self.workflow.resolve(templates, holder)[1]

    def _default_strategy(self, template: Json) -> Json | None:
        is_pod = "container" in template or "script" in template
        return self.workflow.spec.get("retryStrategy") if is_pod else None

    @asynccontextmanager
    async def _permission(self, call: Call, boundary: Call | None) -> AsyncGenerator[None, None]:
        """Hold the mutexes a template names, a place in its parent's parallelism and, for a pod, in the workflow's."""
        async with AsyncExitStack() as held:
            locks = section(call.template, "synchronization")
            names = [item.get("name", "") for item in [section(locks, "mutex"), *rows(locks, "mutexes")] if item]
            for name in sorted(names):
                await held.enter_async_context(self.mutexes.setdefault(name, asyncio.Lock()))
            limit = (boundary.template if boundary else {}).get("parallelism")
            if boundary and limit:
                gate = self.boundaries.setdefault(boundary.name, asyncio.Semaphore(int(limit)))
                await held.enter_async_context(gate)
            if self.pods and ("container" in call.template or "script" in call.template):
                await held.enter_async_context(self.pods)
            yield

    async def _run_tries(self, node: Node, call: Call, strategy: Json) -> None:
        """Try until one succeeds or the strategy has enough; the node ends as its last try did."""
        while True:
            current = Node(f"{node.name}({len(node.children)})", node.template)
            variables = retries.variables_of(node.children)
            node.children.append(current)
            await self._run_once(current, call, variables, parent=node)
            node.parameters, node.artifacts, node.result = current.parameters, current.artifacts, current.result
            node.exit_code, node.key, node.is_pod = current.exit_code, current.key, current.is_pod
            node.started = node.started or current.started
            if current.phase is Phase.PENDING:
                node.phase = Phase.PENDING
                return
            if not current.phase.unsuccessful:
                node.end(current.phase, current.message)
                node.cached, node.started, node.finished = current.cached, current.started, current.finished
                self.events.emit("task", node)
                return
            pause = retries.pause_before_next(strategy, node.children)
            if isinstance(pause, str):
                exhausted = len(node.children) > 1 and pause != current.message
                message = (
                    f"{current.message}; after {len(node.children)} tries: {pause}" if exhausted else current.message
                )
                self.finish(node, current.phase, message)
                return
            self.events.emit("try", node, tries=len(node.children), exit_code=current.exit_code, pause=pause)
            await asyncio.sleep(pause)

    async def _run_once(self, node: Node, call: Call, tries: dict[str, str | None], parent: Node | None = None) -> None:
        """One try of a template; `parent` is the node that is shown for it, where that is another."""
        shown = parent or node
        executor = next(run for kind, run in self.executors.items() if kind in call.template)
        try:
            await executor(self, Attempt(node, call, tries, shown))
        except (NodeError, UsageError, OSError) as error:
            # OSError: a place that cannot be read, a full disk. The run goes on with what does not depend on it.
            told = known(error) if isinstance(error, OSError) else None
            if told:
                node.exit_code = told.exit_code
            node.end(Phase.ERROR, str(told or error))
        if node is shown:
            self.events.emit("task", node)
