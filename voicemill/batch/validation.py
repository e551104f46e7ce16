"""A manifest's rows against the workflow that they are for: everything that is wrong, before anything starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from voicemill.batch.manifest import OVERRIDES, REQUIRED, Manifest, ManifestError, Row
from voicemill.contract import workflow_parameters
from voicemill.contract.declaration import CONFIG
from voicemill.contract.workflow_parameters import Here, Parameters, Problem
from voicemill.core.errors import InputError, UsageError
from voicemill.core.names import folded
from voicemill.engine.workflow import Workflow
from voicemill.registry.names import check_speaker

_LISTERS = 16


@dataclass(frozen=True)
class SpeakerJob:
    """A voice to be made: the line that asks for it, and the workflow's parameters as it gives them."""

    line: int
    speaker: str
    values: dict[str, str] = field(default_factory=dict)


def jobs(
    manifest: Manifest,
    common: dict[str, str],
    workflow: Workflow,
    *,
    folder: Path | None,
    look: bool = True,
    elsewhere: frozenset[str] = frozenset(),
) -> tuple[list[SpeakerJob], list[ManifestError]]:
    """Return what a manifest asks for, and every reason why it cannot be done.

    Args:
        manifest: As it was read.
        common: Parameters for all speakers; a row's go before them.
        workflow: That makes a voice.
        folder: That relative paths are meant from: the manifest's. None if no path is one of this machine.
        look: Whether to look if the sources are there.
        elsewhere: Parameters whose paths are not of this machine; nobody looks for them.
    """
    parameters = workflow_parameters.parameters_of(workflow)
    here = Here(folder, elsewhere)
    manifest = _by_present_names(manifest, parameters, common.get(CONFIG.name, ""), folder)
    lines: dict[str, int] = {}
    found: list[SpeakerJob] = []
    unknown = {name: line for name, line in manifest.columns.items() if name not in (*parameters.items, OVERRIDES)}
    errors = manifest.errors + [
        ManifestError(line, str(problem))
        for name, line in unknown.items()
        for problem in parameters.problems_of_values({name: ""}, here)
    ]
    for row in manifest.rows:
        own = {name: value for name, value in row.values.items() if name not in unknown}
        values = row.values | parameters.resolved(own, here)
        given = common | values
        problems = [
            *parameters.problems_of_values(own, here if look else Here(None)),
            *parameters.problems_of_absence(dict.fromkeys(REQUIRED, "") | given),
            *_of_row(row, lines, source_is_here=folder is not None and "source" not in elsewhere),
            *parameters.problems_together(given),
        ]
        wrong = dict.fromkeys(map(str, problems))
        errors += [ManifestError(row.line, text) for text in wrong]
        found.append(SpeakerJob(row.line, row.values.get("speaker", ""), given))
    if look:
        errors += _remote(found)
    return found, sorted(errors)


def problems_of_common(
    common: dict[str, str], workflow: Workflow, *, folder: Path | None, elsewhere: frozenset[str] = frozenset()
) -> list[Problem]:
    """Return what is wrong with the parameters for all speakers; the arguments are those of `jobs`."""
    own = [Problem(name, "set it per speaker, in the manifest") for name in REQUIRED if name in common]
    parameters, here = workflow_parameters.parameters_of(workflow), Here(folder, elsewhere)
    others = {name: value for name, value in common.items() if name not in REQUIRED}
    return [*own, *parameters.problems_of_values(others, here)]


def _by_present_names(manifest: Manifest, parameters: Parameters, base: str, folder: Path | None) -> Manifest:
    """Return the manifest with the present names of parameters that were renamed.

    Args:
        manifest: As it was read.
        parameters: Of the workflow.
        base: The config of all speakers, to which a row's own options are added.
        folder: That relative paths are meant from.
    """
    errors = list(manifest.errors)
    rows: list[Row] = []
    for row in manifest.rows:
        try:
            rows.append(Row(row.line, parameters.by_present_names(row.values, base, folder)))
        except UsageError as error:
            errors.append(ManifestError(row.line, str(error)))
    columns: dict[str, int] = {}
    for name, line in manifest.columns.items():
        (present,) = parameters.by_present_names({name: ""})
        columns.setdefault(present, line)
    return Manifest(rows, errors, columns)


def _of_row(row: Row, lines: dict[str, int], *, source_is_here: bool) -> Iterator[Problem]:
    """Return what only a batch asks of a row: a speaker of its own and a source that whoever reads it can find."""
    for name in REQUIRED:
        if name not in row.values:
            yield Problem(name, "is missing")
    speaker, source = row.values.get("speaker", ""), row.values.get("source", "")
    if speaker:
        try:
            check_speaker(speaker)
        except InputError as error:
            yield Problem("speaker", str(error))
        first = lines.setdefault(folded(speaker), row.line)
        if first != row.line:
            yield Problem("speaker", f"{speaker} is already on line {first}")
    if source and not source_is_here and "://" not in source and not os.path.isabs(source):
        yield Problem("source", f"{source} is neither an s3:// address nor an absolute path in the pods")


def _remote(found: list[SpeakerJob]) -> list[ManifestError]:
    """Sources on S3 where there is nothing."""
    from voicemill import storage

    asked = [job for job in found if storage.is_remote(job.values.get("source", ""))]

    @cache
    def reason(source: str) -> str:
        try:
            return "" if storage.exists(source) else f"nothing found at {source}"
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(_LISTERS) as listers:
        reasons = list(listers.map(lambda job: reason(job.values["source"]), asked))
    return [ManifestError(job.line, f"source: {why}") for job, why in zip(asked, reasons, strict=True) if why]
