"""Chains stages into a DAG: what a task reads, when it runs, and which of its parameters the workflow exposes.

A workflow names each artifact as `task/artifact` and each exposed parameter once; dependencies, defaults, enums and
descriptions follow from the stages' own declarations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hera.workflows import DAG, Artifact, Container, Parameter, S3Artifact, Task, models

from voicemill.contract import Stage, template
from workflows.policy import KEYS


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
            **renames: Stage parameter -> workflow parameter.
        """
        sources = takes or {}
        optional = {artifact.name for artifact in stage.inputs if artifact.optional}
        own: dict[str, Any] = {}
        if alone:
            own["synchronization"] = models.Synchronization(mutexes=[models.Mutex(name=alone)])
        stage.container(keys=self.keys, **own)  # Hera adds it to the workflow whose context this is
        tasks = dict.fromkeys(source.partition("/")[0] for source in sources.values())
        arguments: list[Any] = [
            Artifact(name=name, from_=reference(source), optional=True if name in optional else None)
            for name, source in sources.items()
        ]
        arguments += self._expose(stage, exposes, renames)
        arguments += [Parameter(name=name, value=value) for name, value in (gives or {}).items()]
        depends = " && ".join([*tasks, *([after] if after else [])])
        with self.dag:
            return Task(name=stage.name, template=stage.name, arguments=arguments, depends=depends or None, when=when)

    def exit_handler(self, stage: Stage[...], takes: dict[str, str], **values: str) -> Container:
        """A template that runs when all else has ended, well or badly, on whatever artifacts there are.

        Args:
            stage: The stage; all its inputs are optional.
            takes: Input artifact -> `task/artifact`, read from the repository by key.
            **values: Stage parameter -> value, such as `{{workflow.status}}`. None of them may be called like a
                workflow parameter: Argo gives an exit handler the workflow's arguments too.
        """
        container = stage.container(keys=self.keys)
        arguments = {name.replace("_", "-"): value for name, value in values.items()}
        inputs: list[Any] = []
        for artifact in stage.inputs:
            key = f"{self.keys}/{takes[artifact.name]}"
            path = f"{template.INPUTS}/{artifact.name}"
            inputs.append(S3Artifact(name=artifact.name, path=path, optional=True, key=key))
        for field in stage.parameters:
            parameter = template.parameter(field)
            if field.name in arguments:
                parameter.default = arguments[field.name]
            inputs.append(parameter)
        container.inputs = inputs
        return container

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


def reference(source: str) -> str:
    """`slice/clips` as Argo's reference to the artifact `clips` of the task `slice`."""
    task, _, artifact = source.partition("/")
    return f"{{{{tasks.{task}.outputs.artifacts.{artifact}}}}}"
