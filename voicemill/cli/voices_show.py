"""`voicemill voices list|show|diff`: what is in a registry."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicemill.cli.voices_options import AsJson, Registry, Voice, opened, record_of, speaker_given
from voicemill.core.display import display, json_printable, printable

if TYPE_CHECKING:
    from voicemill.registry import Record
    from voicemill.storage import Store

app = typer.Typer()


@app.command("list")
def list_(
    registry: Registry,
    speaker: Annotated[str, typer.Argument(metavar="[SPEAKER]", help="Only this speaker's versions.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the versions of all voices, or of one: when they came, what they scored, which aliases point at them."""
    from voicemill.registry import aliases, records

    store = opened(registry)
    found, damaged = records.survey(store, records.known_as(store, speaker_given(speaker)) if speaker else "")
    named = {name: aliases.survey(store, name) for name in dict.fromkeys(record.speaker for record in found)}
    rows = []
    for record in found:
        pointing = sorted(n for n, alias in named[record.speaker][0].items() if alias.version == record.version)
        rows.append({**asdict(record), "aliases": pointing})
    problems = [one.problem for one in damaged] + [text for _, wrong in named.values() for text in wrong.values()]
    for problem in problems:
        typer.echo(f"damaged: {problem}", err=True)
    if as_json:
        rows += [asdict(one) for one in damaged]
        typer.echo(json_printable(json.dumps(rows, ensure_ascii=False, indent=2)))
        return
    table = _table(
        "speaker", "version", "published", "aliases", "model", "language", "error rate", "similarity", "consent"
    )
    for row in rows:
        about, metrics = {"model": "", "language": "", **row["about"]}, row["about"]["metrics"]
        scores = [f"{metrics[name]:.3f}" if name in metrics else "" for name in ("error_rate", "similarity")]
        when, consent = row["published"][:16].replace("T", " "), "yes" if about["consent"] else "none"
        aliased = ", ".join(row["aliases"])
        _add(table, row["speaker"], row["version"], when, aliased, about["model"], about["language"], *scores, consent)
    for one in damaged:
        _add(table, one.speaker, one.version, "damaged")
    _print(table)


@app.command()
def show(voice: Voice, registry: Registry, as_json: AsJson = False) -> None:
    """Show a version: where it comes from, what it scored, its aliases' history, whether it is signed."""
    from voicemill.registry import aliases, names, records

    store = opened(registry)
    record = record_of(store, voice)
    lineage, metrics = _documents(store, record)
    place = names.version_place(record.speaker, record.version)
    pointing = {name: alias for name, alias in aliases.every(store, record.speaker).items()}
    about = {
        **asdict(record),
        "aliases": {name: alias.version for name, alias in pointing.items()},
        "history": {name: list(alias.log) for name, alias in pointing.items()},
        "signed": store.find(place + names.SIGNATURE) is not None,
        "lineage": lineage,
        "metrics": metrics.get("best") or {},
        "versions": [each.version for each in records.every(store, record.speaker)],
    }
    if as_json:
        typer.echo(json_printable(json.dumps(about, ensure_ascii=False, indent=2)))
        return
    for line in _as_text(about):
        typer.echo(printable(line))


@app.command()
def diff(before: Voice, after: Voice, registry: Registry, as_json: AsJson = False) -> None:
    """Show what distinguishes two versions: parameters, data, base weights, code, metrics."""
    from voicemill.registry import comparison

    store = opened(registry)
    sides = []
    for voice in (before, after):
        with tempfile.TemporaryDirectory() as place:
            _documents(store, record_of(store, voice), Path(place))
            sides.append(comparison.facts(Path(place)))
    found = comparison.differences(*sides)
    if as_json:
        rows = [{**asdict(difference), "change": difference.change} for difference in found]
        typer.echo(json_printable(json.dumps(rows, ensure_ascii=False, indent=2)))
        return
    if not found:
        typer.echo("The versions are identical.")
        return
    table = _table("", "", before, after, "change")
    for row in found:
        _add(table, row.section, row.name, _short(row.before), _short(row.after), row.change)
    _print(table)


def _documents(store: Store, record: Record, folder: Path | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """A version's lineage and metrics, without its weights."""
    from voicemill.registry import names
    from voicemill.registry.records import lineage_and_metrics

    if folder is None:
        with tempfile.TemporaryDirectory() as place:
            return _documents(store, record, Path(place))
    for name in ("lineage.json", "metrics.json"):
        if name in record.files:
            store.download(names.version_place(record.speaker, record.version) + name, folder / name)
    return lineage_and_metrics(folder)


def _as_text(about: dict[str, Any]) -> list[str]:
    lines = [f"{about['speaker']} {about['version']}", f"published: {about['published']} by {about['by']}"]
    lines += [f"{name}: {value}" for name, value in about["about"].items() if name not in ("metrics", "consent")]
    lines.append(f"signed: {'yes' if about['signed'] else 'no'}")
    for section in ("metrics", "lineage", "files"):
        lines += ["", f"{section}:", *_tree(about[section], 1)]
    lines += ["", "versions, in the order of publication:", *(f"  {version}" for version in about["versions"])]
    for name, log in about["history"].items():
        lines += ["", f"{name} is {about['aliases'][name]}:"]
        lines += [f"  {move['at'][:19]} {move['version']} by {move['by']}: {move['why'] or 'promoted'}" for move in log]
    return lines


def _tree(value: Any, depth: int) -> list[str]:
    indent = "  " * depth
    lines: list[str] = []
    for name, each in value.items():
        if isinstance(each, dict):
            lines += [f"{indent}{name}:", *_tree(each, depth + 1)]
        else:
            lines.append(f"{indent}{name}: {_short(each)}")
    return lines


def _short(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else display(value, 1_000)


def _table(*headings: str) -> Any:
    from rich.markup import escape
    from rich.table import Table

    return Table(*map(escape, headings), box=None, pad_edge=False)


def _add(table: Any, *cells: str) -> None:
    from rich.text import Text

    # Text, for a name in brackets is not markup.
    table.add_row(*(Text(display(cell, 1_000)) for cell in cells))


def _print(table: Any) -> None:
    from rich.console import Console

    console = Console()
    # Where a program reads, no column may be cut.
    (console if console.is_terminal else Console(width=400)).print(table)
