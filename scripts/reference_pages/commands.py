"""The page of the commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scripts.reference_pages.markdown import documentation, first, prose, table


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
    yield table(
        ["command", "what it does"],
        ([f"[{path}](#{_anchor(path)})", prose(first(command.help or ""))] for path, command in found),
    )
    for path, command in found:
        yield f"## {path} {{#{_anchor(path)}}}"
        arguments = [part for part in command.params if part.param_type_name == "argument"]
        options = [part for part in command.params if part.param_type_name == "option" and not part.hidden]
        usage = " ".join([path, *(_usage(argument) for argument in arguments), *(["[OPTIONS]"] if options else [])])
        yield f"    {usage}"
        yield from documentation(command.help or "")
        if path == "voicemill stage":
            yield "The names and their options: [stages](stages.md)."
        rows = [[f"`{_metavar(one)}`", "", prose(getattr(one, "help", "") or "")] for one in arguments]
        rows += [[_names(one, _context(command)), _shown_default(one), prose(one.help or "")] for one in options]
        if rows:
            yield table(["argument or option", "default", "what it is"], iter(rows))


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
    return f"{names} {prose(_kind(option, context))}".strip()


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
