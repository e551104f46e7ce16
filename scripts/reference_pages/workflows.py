"""The page of the workflows and their parameters."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from scripts.reference_pages.markdown import documentation, prose, table
from scripts.reference_pages.parameters import given_default, values_of
from voicemill.contract import workflow_parameters
from voicemill.engine import workflow as workflows


def workflows_page() -> Iterator[str]:
    """Return every workflow with its tasks and parameters."""
    yield "# Workflows and their parameters"
    yield (
        "`voicemill run WORKFLOW -p NAME=VALUE` on one machine, `voicemill submit` on a cluster. Type, bounds and "
        "default are those of the [stages](stages.md) that a parameter reaches; all are checked first. Where there is "
        "a parameter `config`, it sets any other option of the stages."
    )
    for name, path in workflows.known().items():
        if not _is_workflow(path):
            continue
        workflow = workflows.load(name)
        known = workflow_parameters.parameters_of(workflow)
        # The report is made at the end, whatever came before; its template comes first.
        reached = sorted(dict.fromkeys(call.stage.name for call in known.calls), key=lambda stage: stage == "report")
        yield f"## {name} {{#{name}}}"
        told = (importlib.import_module(f"voicemill.workflows.{path.stem}").__doc__ or "").removeprefix(f"{name}: ")
        yield from documentation(told[:1].upper() + told[1:])
        if reached:
            yield "Stages: " + ", ".join(f"[{stage}](stages.md#{stage})" for stage in reached) + "."
        yield table(
            ["parameter", "default", "values", "what it does", "reaches"],
            (
                [
                    f"`{item}`",
                    given_default(declared, known.fields.get(item, [])),
                    values_of(known.fields.get(item, []), declared),
                    prose(re.sub(r" Default: \S+\.$", "", declared.get("description", ""))),
                    _some(_reaches(known, item)),
                ]
                for item, declared in known.items.items()
            ),
        )


def _reaches(known: workflow_parameters.Parameters, parameter: str) -> list[str]:
    found = (
        f"[{call.stage.name}](stages.md#{call.stage.name})"
        for call in known.calls
        for source in call.sources.values()
        if getattr(source, "parameter", None) == parameter
    )
    return list(dict.fromkeys(found))


def _some(links: list[str], most: int = 4) -> str:
    return (
        ", ".join(links) if len(links) <= most else f"{', '.join(links[: most - 1])} and {len(links) - most + 1} more"
    )


def _is_workflow(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return "with workflow_template(" in text and "entrypoint=" in text
