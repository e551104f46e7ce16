"""`--config`: options of stages, by stage, in one YAML text or file.

train-sovits:
  ema-steps: 100
evaluate: {top-k: 5}

One config may have sections for many stages, and each stage takes its own. An option that is given by itself goes
before the config, the config before the defaults that lie beside base weights (`defaults.yaml`, of the same form), and
those before the defaults that the stage declares.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import voicemill
from voicemill import storage
from voicemill.contract import values
from voicemill.contract.declaration import CONFIG, Declaration, ParameterField, kebab
from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError, UsageError
from voicemill.core.json_values import is_object
from voicemill.core.text_or_path import path_in

Sections = dict[str, dict[str, str]]
"""Options as texts, by stage and name."""

_LARGEST = 2**20


@dataclass(frozen=True)
class Misfit:
    """An entry of a config that cannot be used."""

    stage: str
    option: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.stage, self.option, self.text) if part)


def read(value: str, folder: Path | None = None) -> Sections:
    """Return the sections of a config.

    Args:
        value: YAML, the path of a file with it, or its s3:// address; empty has no sections.
        folder: Folder that a relative path starts from; the current one by default.

    Raises:
        UsageError: It is not a mapping of stages to mappings of options to plain values.
        InputError: The file cannot be read.
    """
    place = path_in(value, folder)
    if place is None:
        return parse(value, "the config")
    return parse(untrusted.read_bytes(storage.fetch(place), most_bytes=_LARGEST), place)


def parse(text: str | bytes, name: str) -> Sections:
    """As `read`, of a text; `name` is what errors call it."""
    try:
        document = untrusted.parse_yaml(text, name, object)
    except InputError as error:
        raise UsageError(str(error)) from error
    sections = _mapping(document, f"{name} must map stages to their options, such as `train-sovits: {{epochs: 4}}`")
    return {
        stage: {
            option: _as_text(value, f"{name}: {display(stage)}: {display(option)}")
            for option, value in _mapping(options, f"{name}: {display(stage)} must map options to values").items()
        }
        for stage, options in sections.items()
    }


def text_of(sections: Mapping[str, Mapping[str, str]]) -> str:
    """Return a config of these sections; empty if it would have no option."""
    kept = {stage: dict(options) for stage, options in sections.items() if options}
    return json.dumps(kept, ensure_ascii=False, sort_keys=True) if kept else ""


def own_config(value: str, module: str) -> str:
    """What a stage's module takes from a config, in one spelling: other stages' options make no difference to it."""
    stage = kebab(module.rpartition(".")[2])
    return text_of({stage: read(value).get(stage, {})}) if value else ""


def misfits(options: Mapping[str, str], declaration: Declaration) -> Iterator[Misfit]:
    """Return what is wrong with the options of a stage's section."""
    declared = fields_of(declaration)
    for name, value in options.items():
        if name not in declared:
            yield Misfit(declaration.name, name, f"no such option{_near(name, declared)}")
            continue
        try:
            values.parse(declared[name], value)
        except ValueError as error:
            yield Misfit(declaration.name, name, str(error))
            continue
        if problem := values.problem_of_place(declared[name], value):
            yield Misfit(declaration.name, name, problem)


def unknown_stages(stages: Collection[str]) -> Iterator[Misfit]:
    """Sections of stages that do not exist."""
    known = stage_names()
    for name in stages:
        if name not in known:
            yield Misfit(name, "", f"no such stage{_near(name, known)}")


def options_for(declaration: Declaration, config: str, places: Mapping[str, str]) -> dict[str, str]:
    """Return what a stage's options are where they are not given by themselves, by the arguments' names.

    Args:
        declaration: The stage's.
        config: Its `--config`.
        places: The values given for its parameters that name places, by name.

    Raises:
        UsageError: The config has something that cannot be used.
        InputError: What lies beside the base weights cannot be used.
    """
    options: dict[str, str] = {}
    for name, field in fields_of(declaration).items():
        if field.place is not None and field.place.defaults and places.get(name):
            options |= _beside(places[name], field.place.defaults, declaration)
    sections = read(config)
    own = sections.get(declaration.name, {})
    wrong = [*unknown_stages(set(sections) - {declaration.name}), *misfits(own, declaration)]
    if wrong:
        raise UsageError("; ".join(f"--config: {misfit}" for misfit in wrong))
    options |= own
    return {fields_of(declaration)[name].field: value for name, value in options.items()}


def fields_of(declaration: Declaration) -> dict[str, ParameterField]:
    """Return the options that a config may set, by name."""
    return {field.name: field for field in declaration.parameters if field.name != CONFIG.name}


@cache
def stage_names() -> frozenset[str]:
    """Return every stage of this installation."""
    modules = (path.stem for folder in voicemill.__path__ for path in (Path(folder) / "stages").glob("[!_]*.py"))
    return frozenset(kebab(name) for name in modules)


def _beside(place: str, file: str, declaration: Declaration) -> dict[str, str]:
    """Return a stage's defaults in the folder of base weights; none if the file does not exist."""
    store = storage.open_store(place)
    if store.find(file) is None:
        return {}
    data, _ = store.read(file)
    address = f"{place.rstrip('/')}/{file}"
    try:
        own = parse(data, address).get(declaration.name, {})
    except UsageError as error:
        raise InputError(str(error)) from error
    if wrong := list(misfits(own, declaration)):
        raise InputError(f"{address}: {wrong[0]}; these weights may be for a later voicemill")
    return own


def _mapping(value: object, problem: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not is_object(value) or not all(isinstance(key, str) for key in cast(dict[object, Any], value)):
        raise UsageError(problem)
    return value


def _as_text(value: object, name: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise UsageError(f"{name}: must be a text, a number, true or false")


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=2)
    return f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(sorted(known))}"
