"""Chains stages into a DAG: what a task reads, when it runs, and which of its parameters the workflow exposes.

A workflow names each artifact as `task/artifact` and each exposed parameter once; dependencies, defaults, enums and
descriptions follow from the stages' own declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hera.workflows import DAG, Artifact, Container, Parameter, S3Artifact, Task, models

from voicemill.contract import Stage, reuse, template
from voicemill.contract.declaration import CONFIG
from voicemill.workflows.policy import KEYS


@dataclass(frozen=True)
class Each:
    """A task for each item of a list.

    Attributes:
        items: The list, of objects, in JSON: a parameter that a task put out.
        names: Fields of an item: parameters of the stage, and others that only its keys are made of.
        part: The field that tells the tasks' keys apart.
        keys: Prefix of the keys of their artifacts, in which `{{inputs.parameters.FIELD}}` are the item's own.
        files: Input artifact -> path below the folder that it comes from.
    """

    items: str
    names: tuple[str, ...]
    part: str
    keys: str
    files: Mapping[str, str] = field(default_factory=dict)


class Chain:
    """Collects the tasks and parameters of one workflow while its DAG is written, within the workflow's context.

    Args:
        dag: The DAG that the tasks go into.
        keys: Prefix of the S3 keys of all artifacts.
    """

    def __init__(self, dag: DAG, keys: str = KEYS) -> None:
        self.dag = dag
        self.keys = keys
        self.parameters: dict[str, Parameter] = {}

    def task(
        self,
        stage: Stage[...],
        takes: Mapping[str, str] | None = None,
        *exposes: str,
        after: str | None = None,
        when: str | None = None,
        gives: Mapping[str, str] | None = None,
        alone: str | None = None,
        each: Each | None = None,
        below: Mapping[str, str] | None = None,
        **renames: str,
    ) -> Task:
        """Add a task that runs the stage, under the stage's name.

        Args:
            stage: The stage.
            takes: Input artifact -> `task/artifact` that it comes from. An optional input may come from a task that
                was skipped.
            *exposes: Stage parameters that are workflow parameters of the same name.
            after: One more dependency, on a task that gives no artifact.
            when: Condition on the task's running.
            gives: Stage parameter -> value, such as a parameter that another task put out.
            alone: Name of a mutex: no two tasks of any workflow that hold the same one run at the same time.
            each: Makes a task of each item of a list.
            below: Input artifact -> prefix, below that of the run, of the keys that it is made of, such as what all
                tasks of a fan-out put out.
            **renames: Stage parameter -> workflow parameter.
        """
        sources = takes or {}
        optional = {artifact.name for artifact in stage.inputs if artifact.optional}
        own: dict[str, Any] = {}
        if alone:
            own["synchronization"] = models.Synchronization(mutexes=[models.Mutex(name=alone)])
        if stage.is_reusable and each is None:
            own["reuse_mode"] = "{{workflow.parameters.reuse}}"
            self.parameters.setdefault("reuse", reuse_parameter())
        own["env"] = self._speaker_of(each.keys if each else self.keys)
        # Hera adds the container to the workflow whose context this is.
        container = self._container_of_each(stage, each, own) if each else stage.container(keys=self.keys, **own)
        container.inputs = _bare(
            self._by_key(item, below[item.name]) if below and item.name in below else item
            for item in container.inputs or []  # pyright: ignore
        )
        tasks = dict.fromkeys(source.partition("/")[0] for source in sources.values())
        arguments: list[Any] = [
            Artifact(
                name=name,
                from_=reference(source),
                optional=True if name in optional and each is None else None,
                sub_path=each.files[name] if each and name in each.files else None,
            )
            for name, source in sources.items()
        ]
        config = () if CONFIG.name in (gives or {}) or CONFIG.field in renames else (CONFIG.name,)
        arguments += self._expose(stage, (*exposes, *config), renames)
        arguments += [Parameter(name=name, value=value) for name, value in (gives or {}).items()]
        if each is not None:
            arguments += self._arguments_of_each(stage, each)
        depends = " && ".join([*tasks, *([after] if after else [])])
        with self.dag:
            return Task(
                name=stage.name,
                template=stage.name,
                arguments=arguments,
                depends=depends or None,
                when=when,
                with_param=each.items if each else None,
            )

    def exit_handler(self, stage: Stage[...], takes: dict[str, str], **values: str) -> Container:
        """A template that runs when all else has ended, well or badly, on whatever artifacts there are.

        Args:
            stage: The stage; all its inputs are optional.
            takes: Input artifact -> `task/artifact`, read from the repository by key.
            **values: Stage parameter -> value, such as `{{workflow.status}}`. None of them may be called like a
                workflow parameter: Argo gives an exit handler the workflow's arguments too.
        """
        container = stage.container(keys=self.keys, env=self._speaker_of(self.keys))
        arguments = {name.replace("_", "-"): value for name, value in values.items()}
        inputs: list[Any] = []
        declared = {item.name: item for item in container.inputs or []}  # pyright: ignore
        inputs += [self._by_key(declared[artifact.name], takes[artifact.name]) for artifact in stage.inputs]
        for item in stage.parameters:
            parameter = template.parameter(item)
            if item.name in arguments:
                parameter.default = arguments[item.name]
            inputs.append(parameter)
        container.inputs = _bare(inputs)
        return container

    def _by_key(self, item: Artifact, place: str) -> S3Artifact:
        return S3Artifact(name=item.name, path=item.path, optional=item.optional, key=f"{self.keys}/{place}")

    @staticmethod
    def _speaker_of(keys: str) -> dict[str, str]:
        """Return the environment in which a stage knows whose run it is, for its log and its ledger."""
        found = re.match(r"voices/(\{\{.+?\}\})/", keys)
        return {"VOICEMILL_SPEAKER": found[1]} if found else {}

    def _container_of_each(self, stage: Stage[...], each: Each, more: dict[str, Any]) -> Container:
        part = f"{{{{inputs.parameters.{each.part}}}}}"
        container = stage.container(keys=each.keys, part=part, ledgers=self.keys, **more)
        own = {field.name for field in stage.parameters}
        names = [name for name in each.names if name not in own]
        container.inputs = [*(container.inputs or []), *(Parameter(name=name) for name in names)]  # pyright: ignore
        return container

    def _arguments_of_each(self, stage: Stage[...], each: Each) -> list[Parameter]:
        values = {name: f"{{{{item.{name}}}}}" for name in each.names}
        # An input's default cannot name another input, so the place of the state, which differs, is an argument.
        keys = each.keys.replace("inputs.parameters.", "item.")
        for state in stage.declaration.of_role("state"):
            key = template.key_of(state, stage.name, keys, values[each.part])
            values[state.name] = f"s3:///{key}".rstrip("/")
        return [Parameter(name=name, value=value) for name, value in values.items()]

    def _expose(self, stage: Stage[...], exposes: tuple[str, ...], renames: dict[str, str]) -> list[Parameter]:
        fields = {field.name: field for field in stage.parameters}
        names = {name: name for name in exposes} | {name.replace("_", "-"): as_ for name, as_ in renames.items()}
        arguments = []
        for name, public in names.items():
            parameter = template.parameter(fields[name])
            parameter.name, parameter.value, parameter.default = public, parameter.default, None
            self.parameters.setdefault(public, parameter)
            arguments.append(Parameter(name=name, value=f"{{{{workflow.parameters.{public}}}}}"))
        return arguments


def _bare(inputs: Iterable[Any]) -> list[Any]:
    """Return a template's inputs without descriptions, which Argo would copy into each node of each run.

    People read them at the workflow's own parameters and in voicemill-stages.
    """
    found = list(inputs)
    for item in found:
        if isinstance(item, Parameter):
            item.description = None
    return found


def reuse_parameter() -> Parameter:
    """Return the parameter that says whether stages take over what earlier runs made."""
    return Parameter(
        name="reuse",
        value="auto",
        enum=list(reuse.MODES),
        description="On a cluster, of stages that need a GPU: take over what an earlier run of the speaker made from"
        " the same (auto), compute it anew for this run and those after it (refresh), or neither (never).",
    )


def reference(source: str) -> str:
    """`slice/clips` as Argo's reference to the artifact `clips` of the task `slice`."""
    task, _, artifact = source.partition("/")
    return f"{{{{tasks.{task}.outputs.artifacts.{artifact}}}}}"
