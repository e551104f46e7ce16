"""A declaration as a command line: `--NAME PATH` for artifacts, `--parameter VALUE` for the rest."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from voicemill.contract import config, renames, values
from voicemill.contract.declaration import CONFIG, REQUIRED, ArtifactField, Declaration, ParameterField, kebab
from voicemill.contract.renames import Rename
from voicemill.core.errors import InputError, UsageError, may


def command(declaration: Declaration, results: tuple[str, ...], body: Callable[..., None]) -> click.Command:
    """Return the click command of a stage.

    Args:
        declaration: What the options are.
        results: Names of the summary's fields that `--result NAME=FILE` may ask for.
        body: Called with the declared arguments plus `summary`, `ledger` (Path or None) and `result` (name -> Path).
    """

    def each_result(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
        pairs = {name: path for name, _, path in (value.partition("=") for value in values)}
        unknown = pairs.keys() - set(results)
        if unknown:
            raise UsageError(f"{declaration.name} does not declare the result {', '.join(sorted(unknown))}")
        return {name: Path(path) for name, path in pairs.items()}

    hidden = [
        click.Option(["--summary"], type=click.Path(path_type=Path), hidden=True),
        click.Option(["--ledger"], type=click.Path(path_type=Path), hidden=True),
        click.Option(["--result"], multiple=True, callback=each_result, hidden=True),
    ]
    hidden += [
        click.Option([f"--{kebab(state.sent_field)}"], type=click.Path(path_type=Path), hidden=True)
        for state in declaration.of_role("state")
    ]
    options = [
        _artifact(artifact, renames.former_options(declaration.name, artifact.name))
        for artifact in declaration.artifacts
    ]
    options += [
        _parameter(parameter, renames.former_options(declaration.name, parameter.name))
        for parameter in declaration.parameters
    ]
    return _Command(
        declaration,
        params=[*options, *hidden],
        callback=body,
        # \b keeps click from joining the lines of a paragraph that is laid out by hand.
        help=re.sub(r"\n\n(?=\S+ {2,})", "\n\n\b\n", declaration.documentation),
        context_settings={"max_content_width": 110, "show_default": True},
    )


class _Command(click.Command):
    """Options that are not given are as the config and the base weights say; see `voicemill.contract.config`."""

    def __init__(self, declaration: Declaration, **settings: Any) -> None:
        super().__init__(declaration.name, **settings)
        self.declaration = declaration

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        if "help" not in given:
            places = {field.name: given.get(field.field) or "" for field in self.declaration.parameters if field.place}
            text = given.get(CONFIG.field) or ""
            ctx.default_map = config.options_for(self.declaration, text, places)
        return super().parse_args(ctx, args)


class _Option(click.Option):
    """An option that is also accepted under the names that it had before, which no help shows.

    For one that may be left out, an empty text is the same as none.
    """

    def __init__(self, *arguments: Any, former: list[Rename], may_be_empty: bool = False, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.may_be_empty = may_be_empty
        self.former = {rename.old: rename for rename in former}

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        for name in self.former:
            parser.add_option(obj=self, opts=[name], dest=name, action="store", nargs=1)

    def consume_value(self, ctx: click.Context, opts: Mapping[str, Any]) -> Any:
        if self.may_be_empty:
            opts = {name: value for name, value in opts.items() if value != ""}
        used = [rename for name, rename in self.former.items() if name in opts]
        if not used:
            return super().consume_value(ctx, opts)
        if len(used) > 1 or self.name in opts:
            present = used[0].new
            raise UsageError(f"{present} was given twice, also by its old name {used[0].old}; give {present} alone")
        used[0].warn()
        return super().consume_value(ctx, {**opts, str(self.name): opts[used[0].old]})


def _artifact(artifact: ArtifactField, former: list[Rename]) -> click.Option:
    def check(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
        if artifact.kind.role != "input" or path is None:
            return path
        if artifact.optional and _is_absent(path):
            return None
        if path.is_dir() if artifact.kind.is_folder else path.is_file():
            if not may(path, os.R_OK | (os.X_OK if artifact.kind.is_folder else 0)):
                raise InputError(f"--{artifact.name} {path} cannot be read: permission denied; change its permissions")
            return path
        what = "folder" if artifact.kind.is_folder else "file"
        wrong = f"is not a {what}" if path.exists() else "does not exist"
        raise UsageError(f"--{artifact.name} {path} {wrong}; name an existing {what}")

    return _Option(
        [f"--{artifact.name}", artifact.field],
        former=former,
        # A state may be an s3:// address, whose two slashes a Path would make one.
        type=click.STRING if artifact.kind.role == "state" else click.Path(path_type=Path),
        required=not artifact.optional,
        callback=check,
        help=artifact.help or f"{artifact.kind.role} {'folder' if artifact.kind.is_folder else 'file'}",
        metavar="DIR|S3" if artifact.kind.role == "state" else "DIR" if artifact.kind.is_folder else "FILE",
        show_default=False,
    )


def _is_absent(path: Path) -> bool:
    """Whether no artifact came: nothing at a skipped task's path, an empty folder for an S3 key that is not there."""
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


class _Value(click.ParamType[Any]):
    """Texts that a declaration says how to read."""

    def __init__(self, parameter: ParameterField) -> None:
        self.parameter = parameter
        self.name = {int: "integer", float: "float", bool: "true|false"}.get(parameter.type, "text")

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join(self.parameter.choices)}]" if self.parameter.choices else self.name.upper()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):  # a default
            return value
        try:
            return values.parse(self.parameter, value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _parameter(parameter: ParameterField, former: list[Rename]) -> click.Option:
    def check(context: click.Context, option: click.Parameter, value: Any) -> Any:
        if isinstance(value, str) and (problem := values.problem_of_place(parameter, value)):
            raise UsageError(f"--{parameter.name}: {problem}")
        return value

    required = parameter.default is REQUIRED
    return _Option(
        [f"--{parameter.name}", parameter.field],
        may_be_empty=parameter.may_be_empty,
        former=former,
        type=_Value(parameter),
        required=required,
        default=None if required else parameter.text() if parameter.optional else parameter.default,
        callback=check if parameter.place else None,
        help=parameter.help,
        is_flag=False,
        show_default=not required and parameter.default not in ("", None),
        metavar="true|false" if parameter.type is bool else None,
    )
