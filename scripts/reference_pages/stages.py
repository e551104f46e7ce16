"""The page of the stages, and which stage writes which file."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator

from scripts.reference_pages.markdown import documentation, prose, table
from scripts.reference_pages.parameters import default, values
from voicemill.contract import Stage
from voicemill.contract.declaration import ArtifactField


def stages() -> Iterator[Stage[...]]:
    """Return the stages of the package, each once."""
    from voicemill.stages import names

    seen: set[str] = set()
    for name in names():
        module = importlib.import_module(f"voicemill.stages.{name.replace('-', '_')}")
        for value in vars(module).values():
            if isinstance(value, Stage) and value.name == name and name not in seen:
                seen.add(name)
                yield value


def stages_page(declared: list[Stage[...]]) -> Iterator[str]:
    """Return what each stage reads, writes and can be told."""
    yield "# Stages"
    yield (
        "A stage is a program that reads folders and writes folders: `voicemill stage NAME --help`, in a checkout also "
        "`python -m stages.NAME`. Outputs appear whole or not at all. Beside the first output it writes "
        "`<output>.ledger.jsonl`, which says what became of every item; a summary goes to the standard output. "
        "[Exit codes](exit-codes.md) are the same for all."
    )
    yield table(
        ["stage", "what it does", "extra", "CPU", "memory", "GPU memory"],
        (
            [
                f"[{one.name}](#{one.name})",
                prose(one.declaration.summary),
                f"`{one.family}`",
                f"{one.cpu:g}",
                one.memory,
                _gpu_memory(one),
            ]
            for one in declared
        ),
    )
    for stage in declared:
        yield f"## {stage.name} {{#{stage.name}}}"
        yield from documentation(sys.modules[stage.declaration.module].__doc__ or stage.declaration.documentation)
        yield f"Source: [stages/{_file(stage)}](../../stages/{_file(stage)})."
        yield table(
            ["folder or file", "role", "what it is"],
            ([_option(item.name), _role(item), prose(item.help)] for item in stage.declaration.artifacts),
        )
        if stage.parameters:
            yield table(
                ["option", "default", "values", "what it does"],
                ([_option(item.name), default(item), values(item), prose(item.help)] for item in stage.parameters),
            )


def files_table(declared: list[Stage[...]]) -> str:
    """Return which stage writes which folder, from the heads of the stages' modules."""
    rows = []
    for stage in declared:
        written = False
        for line in (sys.modules[stage.declaration.module].__doc__ or "").splitlines():
            entry = re.match(r"(\w+) {2,}(?P<first>\S.*)| {6,10}(?P<next>\S.*)", line)
            if line.startswith("Writes "):
                written = True
            elif not line.startswith("      "):
                written = False
            if written and entry and not (entry["next"] or "").startswith("With "):
                path, _, text = (entry["first"] or entry["next"]).partition("  ")
                if not text and (parts := re.match(r"((?:\S*[/.]\S*,? ?)+) (\S.*)", path)):
                    path, text = parts.groups()
                rows.append([f"[{stage.name}](stages.md#{stage.name})", path, text])
            elif written:
                rows[-1][2] += f" {line.strip()}"
    told = ([stage, f"`{path}`".replace("``", "`"), prose(text)] for stage, path, text in rows if path[0] != "(")
    return table(["written by", "file", "what it is"], told)


def _gpu_memory(stage: Stage[...]) -> str:
    """Memory that a stage's GPU must have."""
    more = stage.more_gpu_memory
    return f"{stage.gpu_memory}; {more.memory} for {', '.join(more.values)}" if more else stage.gpu_memory or ""


def _file(stage: Stage[...]) -> str:
    return f"{stage.declaration.module.rpartition('.')[2]}.py"


def _option(name: str) -> str:
    return f"`--{name}`"


def _role(item: ArtifactField) -> str:
    what = f"{item.kind.role} {'folder' if item.kind.is_folder else 'file'}"
    return f"{what}, optional" if item.optional else what
