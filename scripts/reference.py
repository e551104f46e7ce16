"""The pages of docs/reference that follow from declarations: stages, workflows, commands, exit codes, file formats.

    python scripts/reference.py            write them (a part of `make golden`)
    python scripts/reference.py --check    end with 1 where a page is not what the declarations say (`make check`)

What a page says of an option is the text of `--help`: change it in the stage's docstring, not here.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from voicemill.contract import Stage, renames, retries, workflow_parameters  # noqa: E402
from voicemill.contract.declaration import REQUIRED, ArtifactField, ParameterField  # noqa: E402
from voicemill.core import errors  # noqa: E402
from voicemill.engine import workflow as workflows  # noqa: E402

FOLDER = ROOT / "docs" / "reference"
NOTICE = "<!-- Made by scripts/reference.py from the declarations: `make golden` writes it anew. -->"
OPTION_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
BUG = "An unexpected error, told with its traceback: a bug. Please report it."
BLOCK = "<!-- stages -->", "<!-- /stages -->"


def pages() -> dict[str, str]:
    """Return every generated page: name in docs/reference -> Markdown."""
    declared = sorted(stages(), key=lambda stage: stage.name)
    return {
        "stages.md": _document(stages_page(declared)),
        "workflows.md": _document(workflows_page()),
        "commands.md": _document(commands_page()),
        "exit-codes.md": _document(exit_codes_page()),
        "renames.md": _document(renames_page()),
        "openapi.json": openapi(),
        "files.md": _with_block((FOLDER / "files.md").read_text(encoding="utf-8"), files_table(declared)),
    }


def openapi() -> str:
    """Return the description of the server's HTTP API."""
    from voicemill.serving.app import openapi as described

    return json.dumps(described(), indent=2, ensure_ascii=False) + "\n"


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
    yield _table(
        ["stage", "what it does", "extra", "CPU", "memory", "GPU memory"],
        (
            [
                f"[{one.name}](#{one.name})",
                _text(one.declaration.summary),
                f"`{one.family}`",
                f"{one.cpu:g}",
                one.memory,
                one.gpu_memory or "",
            ]
            for one in declared
        ),
    )
    for stage in declared:
        yield f"## {stage.name} {{#{stage.name}}}"
        yield from _documentation(sys.modules[stage.declaration.module].__doc__ or stage.declaration.documentation)
        yield f"Source: [stages/{_file(stage)}](../../stages/{_file(stage)})."
        yield _table(
            ["folder or file", "role", "what it is"],
            ([_option(item.name), _role(item), _text(item.help)] for item in stage.declaration.artifacts),
        )
        if stage.parameters:
            yield _table(
                ["option", "default", "values", "what it does"],
                ([_option(item.name), _default(item), _values(item), _text(item.help)] for item in stage.parameters),
            )


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
        yield from _documentation(told[:1].upper() + told[1:])
        if reached:
            yield "Stages: " + ", ".join(f"[{stage}](stages.md#{stage})" for stage in reached) + "."
        yield _table(
            ["parameter", "default", "values", "what it does", "reaches"],
            (
                [
                    f"`{item}`",
                    _given_default(declared, known.fields.get(item, [])),
                    _values_of(known.fields.get(item, []), declared),
                    _text(re.sub(r" Default: \S+\.$", "", declared.get("description", ""))),
                    _some(_reaches(known, item)),
                ]
                for item, declared in known.items.items()
            ),
        )


def commands_page() -> Iterator[str]:
    """Return every command of `voicemill`, as `--help` shows it."""
    import typer

    from voicemill.cli.main import app

    yield "# Commands"
    yield "`voicemill COMMAND --help` says the same. [Exit codes](exit-codes.md) are the same for all."
    root = typer.main.get_command(app)
    context = _context(root)
    loaded = [(f"voicemill {name}", _load(root.get_command(context, name))) for name in root.list_commands(context)]
    found = [line for path, command in loaded for line in _commands(path, command)]
    yield _table(
        ["command", "what it does"],
        ([f"[{path}](#{_anchor(path)})", _text(_first(command.help or ""))] for path, command in found),
    )
    for path, command in found:
        yield f"## {path} {{#{_anchor(path)}}}"
        arguments = [part for part in command.params if part.param_type_name == "argument"]
        options = [part for part in command.params if part.param_type_name == "option" and not part.hidden]
        usage = " ".join([path, *(_usage(argument) for argument in arguments), *(["[OPTIONS]"] if options else [])])
        yield f"    {usage}"
        yield from _documentation(command.help or "")
        if path == "voicemill stage":
            yield "The names and their options: [stages](stages.md)."
        rows = [[f"`{_metavar(one)}`", "", _text(getattr(one, "help", "") or "")] for one in arguments]
        rows += [[_names(one, _context(command)), _shown_default(one), _text(one.help or "")] for one in options]
        if rows:
            yield _table(["argument or option", "default", "what it is"], iter(rows))


def exit_codes_page() -> Iterator[str]:
    """Return the exit codes of stages and commands."""
    yield "# Exit codes"
    yield (
        "Stages, `voicemill` and the engine end with the same codes, which follow `sysexits.h` where it has a meaning. "
        "With a code comes one sentence on the standard error that says what to fix; a traceback is shown with 1 only."
    )
    by_code: dict[int, list[type[errors.VoicemillError]]] = {}
    for kind in vars(errors).values():
        if inspect.isclass(kind) and issubclass(kind, errors.VoicemillError):
            by_code.setdefault(kind.exit_code, []).append(kind)
    rows = [["0", "", "Done."]]
    for code, kinds in sorted(by_code.items()):
        told = " ".join(_text(_first(inspect.getdoc(kind) or "")) for kind in kinds)
        names = ", ".join(f"`{kind.__name__}`" for kind in kinds)
        rows.append([str(code), names, told] if code != 1 else [str(code), "", BUG])
    rows.append(["130", "", "Stopped by Ctrl-C. Run the same command again to go on."])
    yield _table(["code", "raised as", "meaning"], iter(rows))
    yield "## What is tried again {#retries}"
    policy = re.sub(r"\s+", " ", inspect.getdoc(retries) or "")
    table = re.search(r"^\|.*^\|[^\n]*$", inspect.getdoc(retries) or "", re.S | re.M)
    assert table and policy
    yield (
        f"Of a task in a workflow, on a cluster and on one machine alike, up to {retries.LIMIT} times, the first pause "
        f"{retries.BACKOFF_SECONDS} s and the longest {retries.BACKOFF_MAX_SECONDS} s; 77 and 137 are final after "
        f"{retries.MEMORY_TRIES} tries."
    )
    yield table[0]
    yield (
        "What a run on a cluster ends with, and what to do: "
        "[when something fails](../how-to/cluster.md#when-something-fails)."
    )


def renames_page() -> Iterator[str]:
    """Old names and what they are now."""
    yield "# Old names"
    yield (
        "What was called otherwise in an earlier release. An old name is accepted, with a warning that tells the new "
        "one, until the release that is named here."
    )
    rows = []
    for each in renames.TABLE:
        rows += [["stage", "", old, new, each.removed_in] for old, new in each.stages.items()]
        rows += [
            [kind, f"[{owner}]({page}.md#{owner})", f"{dashes}{old}", f"{dashes}{new}", each.removed_in]
            for kind, page, dashes, table in (
                ("option", "stages", "--", each.options),
                ("parameter", "workflows", "", each.parameters),
            )
            for owner, names in table.items()
            for old, new in names.items()
        ]
    yield _table(
        ["what", "of", "old name", "new name", "until"],
        ([kind, owner, f"`{old}`", f"`{new}`", until] for kind, owner, old, new, until in rows),
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
    told = ([stage, f"`{path}`".replace("``", "`"), _text(text)] for stage, path, text in rows if path[0] != "(")
    return _table(["written by", "file", "what it is"], told)


def _document(blocks: Iterable[str]) -> str:
    first, *rest = (block if block.startswith(("|", "#", "```", "    ")) else _wrapped(block) for block in blocks)
    return "\n\n".join([first, NOTICE, *rest]) + "\n"


def _with_block(page: str, block: str) -> str:
    head, _, rest = page.partition(BLOCK[0])
    _, _, tail = rest.partition(BLOCK[1])
    return _with_docstrings(f"{head}{BLOCK[0]}\n\n{block}\n\n{BLOCK[1]}{tail}")


def _with_docstrings(page: str) -> str:
    """Fill `<!-- docstring MODULE -->` with the listing in that module's docstring, such as what is in a folder."""

    def filled(match: re.Match[str]) -> str:
        text = inspect.getdoc(importlib.import_module(match[1])) or ""
        listings = [block for block in _documentation(text) if block.startswith("```")]
        assert listings, f"{match[1]} has no listing in its docstring"
        return f"<!-- docstring {match[1]} -->\n\n" + "\n\n".join(listings) + "\n\n<!-- /docstring -->"

    return re.sub(r"(?s)<!-- docstring (\S+) -->.*?<!-- /docstring -->", filled, page)


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _documentation(text: str) -> Iterator[str]:
    """A docstring: paragraphs as text, what is laid out by hand (`Reads   audio/*.wav`, commands) as a listing."""
    for block in inspect.cleandoc(text).split("\n\n"):
        lines = block.replace("\b", "").strip("\n").split("\n")
        if any(re.match(r"\S+ {2,}\S|\s+\S|voicemill \S+ .*-|argo submit|python -m", line) for line in lines):
            yield "\n".join(["```text", *lines, "```"])
        elif block.strip():
            yield _wrapped(_text(" ".join(line.strip() for line in lines)))


def _wrapped(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 118, break_long_words=False, break_on_hyphens=False)


def _text(text: str) -> str:
    """Prose in a page: nothing in it, outside of `code`, is markup."""
    parts = re.split(r"(`[^`]+`)", re.sub(r"\s+", " ", text).strip())
    plain = [part if index % 2 else re.sub(r"([*_<\[\]])", r"\\\1", part) for index, part in enumerate(parts)]
    return "".join(plain).replace("|", "\\|")


def _first(text: str) -> str:
    return inspect.cleandoc(text).split("\n\n")[0].replace("\n", " ")


def _file(stage: Stage[...]) -> str:
    return f"{stage.declaration.module.rpartition('.')[2]}.py"


def _option(name: str) -> str:
    return f"`--{name}`"


def _role(item: ArtifactField) -> str:
    what = f"{item.kind.role} {'folder' if item.kind.is_folder else 'file'}"
    return f"{what}, optional" if item.optional else what


def _default(item: ParameterField) -> str:
    if item.default is REQUIRED:
        return "required"
    return f"`{item.text()}`" if item.text() else ""


def _given_default(declared: dict[str, Any], fields: list[ParameterField]) -> str:
    """Return a workflow's default; where it is empty, and so leaves the option to the stage, the stage's."""
    value = declared.get("value", declared.get("default"))
    if value is None:
        return "" if "valueFrom" in declared else "required"
    text = workflows.text_of(value)
    if not text and fields and fields[0].default is not REQUIRED:
        text = fields[0].text()
    return f"`{text}`" if text else ""


def _values(item: ParameterField) -> str:
    if item.choices:
        return ", ".join(f"`{choice}`" for choice in item.choices)
    if item.place:
        kind = {"any": "path", "file": "file", "folder": "folder"}[item.place.kind]
        other = f" or {item.place.otherwise}" if item.place.otherwise else ""
        return f"{kind}{other}" + (", several by commas" if item.place.is_list else "")
    name = {int: "integer", float: "number", bool: "`true`, `false`", str: "text"}[item.type]
    bounds = ", ".join(f"{OPTION_SIGNS[sign]} {_number(bound)}" for sign, bound in item.bounds.items())
    return " ".join(part for part in (name, bounds.replace("<", "&lt;")) if part)


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else f"{bound:g}"


def _values_of(fields: list[ParameterField], declared: dict[str, Any]) -> str:
    if choices := [workflows.text_of(choice) for choice in declared.get("enum") or []]:
        return ", ".join(f"`{choice}`" for choice in choices if choice)
    return _values(fields[0]) if fields else "text"


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


def _load(command: Any) -> Any:
    return command.load() if hasattr(command, "load") else command


def _context(command: Any) -> Any:
    return command.context_class(command, info_name=command.name)


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "list_commands"):
        context = _context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if not inner.hidden:
                yield from _commands(f"{path} {name}", inner)
    else:
        yield path, command


def _anchor(path: str) -> str:
    return path.replace(" ", "-")


def _metavar(argument: Any) -> str:
    return (argument.metavar or (argument.name or "").upper()).strip("[]")


def _usage(argument: Any) -> str:
    name = _metavar(argument) + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _names(option: Any, context: Any) -> str:
    names = "/".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if option.is_flag:
        return names
    return f"{names} {_text(_kind(option, context))}".strip()


def _kind(option: Any, context: Any) -> str:
    kind = re.sub(r"list\[(.*)\]", r"\1", option.display_type(context).strip("<>")).upper()
    return option.metavar or {"STR": "TEXT", "INT": "N", "FLOAT": "N"}.get(kind, kind)


def _shown_default(option: Any) -> str:
    if option.required:
        return "required"
    value = option.default
    if value in (None, "", False, ()) or callable(value) or type(value).__name__ == "Sentinel":
        return ""
    return f"`{value}`"


def main(*arguments: str) -> int:
    """Write the pages, or compare them."""
    outdated = []
    for name, text in pages().items():
        path = FOLDER / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if arguments == ("--check",):
            outdated.append(path.relative_to(ROOT))
        else:
            path.write_text(text, encoding="utf-8")
    if outdated:
        print(f"{', '.join(map(str, outdated))}: not what the declarations say; run `make golden`", file=sys.stderr)
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
