"""The one check of a workflow's parameters, from the declarations of the stages that they reach.

What a parameter may be is declared once, in the signature of a stage: its type, bounds and choices, whether it names a
place that must be there, what form a name has. A workflow hands parameters on to stages through arguments, inputs and
defaults, however deep; this module follows them, so that `voicemill run`, `submit` and `batch` refuse wrong values
before anything starts, all at once and in the same words.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from voicemill.contract import config, renames, values
from voicemill.contract.declaration import CONFIG, REQUIRED, ParameterField, Place
from voicemill.contract.flow import Use, uses_of
from voicemill.contract.stages import Stage
from voicemill.core import text_or_path
from voicemill.core.errors import InputError, UsageError
from voicemill.core.text_or_path import is_there, resolved
from voicemill.engine.annotations import DESTINATIONS, LOCATIONS, annotated
from voicemill.engine.fields import Json, listed, rows, section
from voicemill.engine.retries import seconds_of
from voicemill.engine.scope import NodeError
from voicemill.engine.workflow import Workflow, text_of

_PACKAGES = ("voicemill.stages.", "stages.")
"""Where a workflow's commands have stages: in the package, and in a checkout as `python -m stages.NAME`."""


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with a parameter; as text, `name: sentence`."""

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass(frozen=True)
class Here:
    """Which paths are of this machine.

    Attributes:
        folder: Folder that relative paths start from; None if no path is of this machine.
        elsewhere: Parameters whose paths are of another machine all the same; nobody looks for them.
    """

    folder: Path | None = field(default_factory=Path.cwd)
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Call:
    """A stage as a workflow calls it: where each of its parameters comes from."""

    stage: Stage[...]
    sources: Mapping[str, Use | str | None]

    @property
    def config(self) -> str:
        """The parameter that holds its config; empty if there is none."""
        source = self.sources.get(CONFIG.name)
        return source.parameter if isinstance(source, Use) else ""


@dataclass(frozen=True)
class Parameters:
    """A workflow's parameters and what the stages that they reach declare of them.

    Attributes:
        workflow: The workflow.
        items: As its `spec.arguments` has them, by name.
        fields: Declarations by name; none of a parameter that reaches no stage as it is.
    """

    workflow: Workflow
    items: dict[str, Json]
    fields: dict[str, list[ParameterField]]
    calls: list[_Call]

    def places(self, *, written: bool = False) -> dict[str, ParameterField]:
        """Return the parameters that name a place which is read, or with `written` one that is written to."""
        found = ((name, self._place(name)) for name in self.items)
        return {name: known for name, known in found if known and known.is_destination == written}

    def by_present_names(self, given: Mapping[str, str], base: str = "", folder: Path | None = None) -> dict[str, str]:
        """Return the values of which some may have old names; see `renames.present_parameters`."""
        return renames.present_parameters(self.workflow.name, given, self.items, base, folder)

    def problems(self, given: Mapping[str, str], here: Here | None = None) -> list[Problem]:
        """Everything that is wrong with the values of parameters.

        Args:
            given: Values by name.
            here: Which paths to look for.
        """
        return [
            *self.problems_of_values(given, here or Here()),
            *self.problems_of_absence(given),
            *self.problems_together(self.resolved(given, here or Here())),
        ]

    def problems_of_values(self, given: Mapping[str, str], here: Here) -> Iterator[Problem]:
        """Return what is wrong with each value by itself, and names that are not parameters."""
        for name, value in given.items():
            if name in self.items:
                yield from (Problem(name, text) for text in self._problems_of(name, value, here))
            else:
                yield Problem(name, self._unknown(name))

    def problems_of_absence(self, given: Mapping[str, str]) -> Iterator[Problem]:
        """Return the parameters that have neither a value nor a default."""
        for name, item in self.items.items():
            has_own = item.get("value", item.get("default")) is not None or "valueFrom" in item
            if name not in given and not has_own:
                yield Problem(name, f"is required. {item.get('description', '')}".strip())

    def problems_together(self, given: Mapping[str, str]) -> Iterator[Problem]:
        """Return what is wrong with a config, and what stages say about parameters that do not go together.

        Args:
            given: Values by name; paths start from the current folder.
        """
        configs, problems = self._configs(given)
        yield from problems
        told: set[str] = set()
        for call in self.calls:
            known, names = self._known_together(call, given, configs)
            try:
                call.stage.check_together(known)
            except UsageError as error:
                if str(error) not in told:
                    told.add(str(error))
                    yield Problem(", ".join(names) or call.stage.name, str(error))

    def _known_together(
        self, call: _Call, given: Mapping[str, str], configs: Mapping[str, config.Sections]
    ) -> tuple[dict[str, Any], list[str]]:
        """The values that a stage checks together, by its arguments, and which of the parameters given they are."""
        known: dict[str, Any] = {}
        names: dict[str, None] = {}
        for declared in call.stage.checked_together:
            source = call.sources.get(declared.name, declared.text())
            text = self._text_of(source, given)
            if text == "":
                text = configs.get(call.config, {}).get(call.stage.name, {}).get(declared.name, "")
            try:
                value = None if text is None else values.parse(declared, text)
            except ValueError:
                # It is wrong by itself, which is told; with its default no other mistake is made up.
                value = None
            if value is not None:
                known[declared.field] = value
            if isinstance(source, Use) and source.parameter in given:
                names[source.parameter] = None
        return known, list(names)

    def resolved(self, given: Mapping[str, str], here: Here) -> dict[str, str]:
        """Return the values in which the paths of this machine are absolute: stages run in folders of their own."""
        if here.folder is None:
            return dict(given)
        return {
            name: value if name in here.elsewhere else self._absolute(name, value, here.folder)
            for name, value in given.items()
        }

    def _problems_of(self, name: str, value: str, here: Here) -> Iterator[str]:
        enum = [text_of(choice) for choice in listed(self.items[name], "enum")]
        if enum and value not in enum:
            yield f"must be one of {', '.join(filter(None, enum))}, not {values.shown(value)}"
            return
        for known in self.fields.get(name, []):
            try:
                values.parse(known, value)
            except ValueError as error:
                yield str(error)
                return
        place = self._place(name)
        is_of_here = here.folder is not None and name not in here.elsewhere
        if place and is_of_here and (problem := values.problem_of_place(place, value, here.folder)):
            yield problem

    def _configs(self, given: Mapping[str, str]) -> tuple[dict[str, config.Sections], list[Problem]]:
        """Return the configs that parameters hold, by the parameter, and what is wrong with them."""
        found: dict[str, config.Sections] = {}
        problems: list[Problem] = []
        for name in sorted({call.config for call in self.calls if call.config}):
            value = self._value_of(Use(name), given) or ""
            if text_or_path.is_address(value):
                continue  # the stages look at it
            try:
                found[name] = config.read(value)
            except (UsageError, InputError) as error:
                problems.append(Problem(name, str(error)))
                continue
            problems += (Problem(name, str(wrong)) for wrong in self._misfits(name, found[name], given))
        return found, problems

    def _misfits(self, name: str, sections: config.Sections, given: Mapping[str, str]) -> Iterator[config.Misfit]:
        """Return what is wrong with the config that a parameter holds."""
        calls = [call for call in self.calls if call.config == name]
        known = {call.stage.name for call in calls}
        unknown = list(config.unknown_stages(sections.keys() - known))
        yield from unknown
        if not any(call.stage.declaration.takes_config for call in calls):
            problem = f"{self.workflow.name} does not run this stage; it runs {', '.join(sorted(known))}"
            elsewhere = sections.keys() - known - {misfit.stage for misfit in unknown}
            yield from (config.Misfit(stage, "", problem) for stage in sorted(elsewhere))
        told: set[config.Misfit] = set()
        for call in calls:
            own = sections.get(call.stage.name, {})
            wrong = [*config.misfits(own, call.stage.declaration), *self._without_effect(call, own, given)]
            yield from (misfit for misfit in wrong if misfit not in told)
            told.update(wrong)

    def _without_effect(
        self, call: _Call, options: Mapping[str, str], given: Mapping[str, str]
    ) -> Iterator[config.Misfit]:
        """Options of a config that the workflow itself says, so that the config's value would not count."""
        for option in options:
            source = call.sources.get(option, "")
            if isinstance(source, Use) and given.get(source.parameter):
                continue  # what is given by itself goes before, as promised
            if self._text_of(source, given) != "":
                instead = f"; give its parameter {source.parameter}" if isinstance(source, Use) else ""
                yield config.Misfit(call.stage.name, option, f"{self.workflow.name} sets it{instead}")

    def _text_of(self, source: Use | str | None, given: Mapping[str, str]) -> str | None:
        return self._value_of(source, given) if isinstance(source, Use) else source

    def _value_of(self, use: Use, given: Mapping[str, str]) -> str | None:
        item = self.items.get(use.parameter, {})
        value = given.get(use.parameter, item.get("value", item.get("default")))
        return None if value is None else text_of(value)

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.items, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(self.items) or 'none'}"
        return f"{self.workflow.name} has no such parameter; {hint}"

    def _place(self, name: str) -> ParameterField | None:
        return next((known for known in self.fields.get(name, []) if known.place), None)

    def _absolute(self, name: str, value: str, folder: Path) -> str:
        known = self._place(name)
        if value == "":
            return value
        if known is None or known.place is None:
            return _absolute_if_path(value, folder)
        place = known.place
        if place.otherwise == "text":
            path = None if text_or_path.problem_of(value, folder) else text_or_path.path_in(value, folder)
            return value if path is None or "://" in path else os.path.abspath(path)
        parts = [part.strip() for part in value.split(",")] if place.is_list else [value]
        return ",".join(_absolute_part(place, part, folder) for part in parts)


def parameters_of(workflow: Workflow) -> Parameters:
    """Return what a workflow's parameters are.

    Raises:
        UnsupportedWorkflow: for a task whose template does not exist.
    """
    items = {item["name"]: item for item in rows(section(workflow.spec, "arguments"), "parameters")}
    fields: dict[str, list[ParameterField]] = {}
    calls: list[_Call] = []
    in_keys: set[Use] = set()

    def learn(source: Use | str | None, known: ParameterField) -> None:
        if isinstance(source, Use) and source.parameter in items:
            several = fields.setdefault(source.parameter, [])
            if known not in several:
                several.append(known)

    for pod in uses_of(workflow):
        for stage in _stages_of(pod.template):
            former = renames.of_options(stage.name)
            options = {
                former[name].new.removeprefix("--") if name in former else name: source
                for name, source in pod.options.items()
            }
            calls.append(_Call(stage, options))
            for known in stage.parameters:
                learn(options.get(known.name), known)
        for annotation, place in ((LOCATIONS, Place()), (DESTINATIONS, Place(is_written=True))):
            for name in annotated(pod.template, annotation):
                if not any(known.place for known in fields.get(name, [])):
                    learn(pod.inputs.get(name), ParameterField(name, str, "", "", place=place))
        for use in pod.durations:
            learn(use, _DURATION)
        in_keys.update(pod.in_keys)
    for use in in_keys:
        if not any(known.check for known in fields.get(use.parameter, [])):
            learn(use, _PART_OF_A_KEY)
    return Parameters(workflow, items, fields, calls)


def check(workflow: Workflow, given: Mapping[str, str], here: Here | None = None) -> Parameters:
    """Refuse wrong parameters of a workflow, all in one message.

    Args:
        workflow: The workflow.
        given: Values by name.
        here: Which paths to look for; by default those of this machine.

    Returns:
        What the parameters are.

    Raises:
        UsageError: with a line for each mistake, which begins with the parameter's name.
    """
    parameters = parameters_of(workflow)
    refuse(workflow.name, parameters.problems(given, here))
    return parameters


def refuse(name: str, problems: Iterable[Problem]) -> None:
    """Refuse the parameters of a workflow if there are problems.

    Raises:
        UsageError: with a line for each.
    """
    lines = [str(problem) for problem in problems]
    if lines:
        raise UsageError("\n  ".join([f"{name} cannot run with these parameters:", *lines]))


def _check_part_of_a_key(text: str) -> str:
    if not re.fullmatch(r"[^\s/\\@_.\x00-\x1f][^/\\@\x00-\x1f]{0,199}", text):
        raise UsageError(
            f"{values.shown(text)} cannot be a part of S3 keys: it must have no / \\ @ or line breaks, and begin with a"
            " letter or digit"
        )
    return text


_PART_OF_A_KEY = ParameterField("key", str, REQUIRED, "", check=_check_part_of_a_key)


def _check_duration(text: str) -> str:
    try:
        seconds_of(text)
    except NodeError as error:
        raise UsageError(f"must be a duration such as 30m or 48h, not {values.shown(text)}") from error
    return text


_DURATION = ParameterField("duration", str, "", "", check=_check_duration)


@cache
def _stages_in(module: str) -> tuple[Stage[...], ...]:
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError:  # a stage of another version, which this installation does not have
        return ()
    return tuple(value for value in vars(found).values() if isinstance(value, Stage))


def _stages_of(template: Json) -> tuple[Stage[...], ...]:
    """Return the stage that a container runs; none if it runs something else."""
    command = listed(section(template, "container"), "command")
    module = command[command.index("-m") + 1] if "-m" in command[:-1] else ""
    return _stages_in(module) if module.startswith(_PACKAGES) else ()


def _absolute_part(place: Place, part: str, folder: Path) -> str:
    if part == "" or "://" in part:
        return part
    path = resolved(part, folder)
    if place.is_written or place.otherwise != "voice" or is_there(path):
        return os.path.abspath(path)
    return part


def _absolute_if_path(value: str, folder: Path) -> str:
    """Return a parameter of which nothing is declared: a path only if it is written as one."""
    if "\n" in value or "://" in value:
        return value
    path = resolved(value, folder)
    is_path = value.startswith(("./", "../", "~/")) or (os.sep in value and is_there(path))
    return os.path.abspath(path) if is_path else value
