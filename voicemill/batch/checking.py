"""A manifest's rows against the workflow that they are for: everything that is wrong, before anything starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from voicemill.batch.manifest import OVERRIDES, REQUIRED, Manifest, Mistake, Row
from voicemill.contract.command_line import problem
from voicemill.contract.declaration import ParameterField
from voicemill.engine.locations import exists
from voicemill.engine.places import LOCATIONS, declared, parameters_of
from voicemill.engine.workflow import Workflow, text_of
from voicemill.errors import InputError
from voicemill.registry.names import check_speaker

_LISTERS = 16


@dataclass(frozen=True)
class Order:
    """A voice to be made: the line that asks for it, and the workflow's parameters as it gives them."""

    line: int
    speaker: str
    values: dict[str, str] = field(default_factory=dict)


def orders(
    manifest: Manifest,
    common: dict[str, str],
    workflow: Workflow,
    *,
    folder: Path | None,
    look: bool = True,
    elsewhere: frozenset[str] = frozenset(),
) -> tuple[list[Order], list[Mistake]]:
    """What a manifest asks for, and every reason why it cannot be done.

    Args:
        manifest: As it was read.
        common: Parameters for all speakers; a row's go before them.
        workflow: That makes a voice.
        folder: That relative paths are meant from: the manifest's. None if no path is one of this machine.
        look: Whether to look if the sources are there.
        elsewhere: Parameters whose paths are not of this machine; nobody looks for them.
    """
    parameters = {item["name"]: item for item in (workflow.spec.get("arguments") or {}).get("parameters") or []}
    fields = declared(workflow)
    here = parameters_of(workflow, LOCATIONS) - elsewhere if folder else set()
    lines: dict[str, int] = {}
    found: list[Order] = []
    unknown = {name: line for name, line in manifest.columns.items() if name not in (*parameters, OVERRIDES)}
    mistakes = manifest.mistakes + [
        Mistake(line, f"{workflow.name} has no parameter {name}: an unknown column") for name, line in unknown.items()
    ]
    for row in manifest.rows:
        wrong = list(_of_speaker(row, lines))
        wrong += [f"{name} is missing" for name in REQUIRED[1:] if name not in row.values]
        for name, value in row.values.items():
            if name in unknown:
                continue
            if name not in parameters:
                wrong.append(f"{workflow.name} has no parameter {name}")
            else:
                choices = [text_of(choice) for choice in parameters[name].get("enum") or []]
                wrong += _of_value(name, value, choices, fields.get(name))
        values = dict(row.values)
        if folder:
            values |= {name: _path(value, folder) for name, value in row.values.items() if name in here}
        if "source" not in here and _is_of_nowhere(values.get("source", "")):
            wrong.append(f"source: {values['source']} is neither an s3:// address nor a whole path of the pods'")
        given = common | values
        for name, item in parameters.items():
            if name not in given and item.get("value", item.get("default")) is None and name not in REQUIRED:
                wrong.append(f"{name} is missing: give it a column, or to all speakers with -p {name}=VALUE")
        if look:
            wrong += [f"{name}: {values[name]} does not exist" for name in here if _is_missing(name, values)]
        mistakes += [Mistake(row.line, text) for text in wrong]
        found.append(Order(row.line, row.values.get("speaker", ""), given))
    if look:
        mistakes += _remote(found)
    return found, sorted(mistakes)


def problems_of_common(
    common: dict[str, str], workflow: Workflow, *, folder: Path | None, elsewhere: frozenset[str] = frozenset()
) -> list[str]:
    """What is wrong with the parameters for all speakers; the arguments are those of `orders`."""
    own = [f"{name}: every speaker has a {name} of its own, in the manifest" for name in REQUIRED if name in common]
    if own:
        return own
    # They are checked as a row of their own, whose speaker and source are in order.
    example = Row(0, {"speaker": "x", "source": os.path.abspath(os.curdir), **common})
    _, wrong = orders(Manifest([example]), {}, workflow, folder=folder, elsewhere=elsewhere)
    return [mistake.text for mistake in wrong if " is missing:" not in mistake.text]


def _of_speaker(row: Row, lines: dict[str, int]) -> Iterator[str]:
    speaker = row.values.get("speaker", "")
    if not speaker:
        yield "speaker is missing"
        return
    try:
        check_speaker(speaker)
    except InputError as error:
        yield str(error)
    first = lines.setdefault(speaker.casefold(), row.line)
    if first != row.line:
        yield f"the speaker {speaker} is on line {first} already"


def _of_value(name: str, value: str, choices: list[str], declaration: ParameterField | None) -> Iterator[str]:
    if choices and value not in choices:
        yield f"{name} is one of {', '.join(choices)}, not {value!r}"
    elif declaration and (reason := problem(declaration, value)):
        yield f"{name}: {reason}"


def _path(value: str, folder: Path) -> str:
    """A path as it is meant from the manifest's folder; what is no path there stays as it is."""
    if "://" in value or "\n" in value:
        return value
    path = Path(os.path.abspath(folder / Path(value).expanduser()))
    return str(path) if _looks_like_a_path(value) or exists(path) else value


def _is_of_nowhere(source: str) -> bool:
    return bool(source) and "://" not in source and not os.path.isabs(source)


def _looks_like_a_path(value: str) -> bool:
    return os.sep in value


def _is_missing(name: str, values: dict[str, str]) -> bool:
    value = values.get(name, "")
    if not value or "://" in value or "\n" in value:
        return False
    # A location may be a text that stands for a file's content, but the recordings never are.
    return (name == "source" or _looks_like_a_path(value)) and not exists(Path(value))


def _remote(found: list[Order]) -> list[Mistake]:
    """Sources on S3 where there is nothing."""
    from voicemill import storage

    asked = [order for order in found if storage.is_remote(order.values.get("source", ""))]

    @cache
    def reason(source: str) -> str:
        try:
            return "" if storage.exists(source) else f"there is nothing at {source}"
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(_LISTERS) as listers:
        reasons = list(listers.map(lambda order: reason(order.values["source"]), asked))
    return [Mistake(order.line, f"source: {why}") for order, why in zip(asked, reasons, strict=True) if why]
