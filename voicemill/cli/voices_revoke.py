"""`voicemill voices revoke`: remove everything of a speaker, and show it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from voicemill.cli.voices_options import By, Registry, actor, opened, speaker_given

app = typer.Typer()


@app.command()
def revoke(
    speaker: Annotated[str, typer.Argument(metavar="SPEAKER")],
    registry: Registry,
    why: Annotated[str, typer.Option(help="Reason, kept with who and when.")],
    artifacts: Annotated[
        str,
        typer.Option(help="Where runs leave their artifacts: a bucket or a folder; default: the bucket $S3_BUCKET."),
    ] = "",
    by: By = "",
    report: Annotated[Path | None, typer.Option(help="Write both listings to this JSON file.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
) -> None:
    """Remove everything of a speaker for good, and refuse the voice from now on.

    What goes: the voice's versions and aliases, the artifacts of its runs with the state of trainings, and what was
    uploaded for it alone; in a bucket that keeps versions, all versions. It lists what there was and what is left.
    """
    from voicemill.core.files import write_text
    from voicemill.core.names import Names
    from voicemill.registry import records, revocation

    store = opened(registry)
    bucket = os.environ.get("S3_BUCKET", "")
    artifacts = artifacts or (f"s3://{bucket}" if bucket else "")
    runs = opened(artifacts) if artifacts else None
    asked = speaker_given(speaker)
    speaker = records.known_as(store, asked, *(runs.folders(f"{revocation.RUNS}/") if runs else ()))
    if speaker != asked:
        typer.echo(f"{asked} is stored as {speaker}")
    found = revocation.listing(revocation.search(store, speaker, runs))
    _print(f"before: {len(found)} objects", found)
    if dry_run:
        return
    if not yes:
        typer.confirm(f"Remove all of this for good, and refuse {speaker} from now on?", abort=True)
    done = revocation.revoke(store, speaker, why=why, by=actor(by), artifacts=runs)
    _print(f"after: {len(done.after)} objects", done.after)
    stone = done.tombstone
    typer.echo(f"{speaker} was revoked by {stone['by']} on {stone['at']}: {stone['why']}")
    stored = Names([*store.folders(), *(runs.folders(f"{revocation.RUNS}/") if runs else ())])
    for other in stored.alike(speaker):
        typer.echo(
            f"{other} is another name here, and was not revoked: revoke it too if it is the same person", err=True
        )
    if not artifacts:
        typer.echo("Only the registry was searched: name the runs' bucket or folder with --artifacts.", err=True)
    if report:
        sides = {"before": done.before, "after": done.after}
        listed = {side: [{"place": title, **asdict(trace)} for title, trace in rows] for side, rows in sides.items()}
        write_text(report, json.dumps({"tombstone": stone, **listed}, ensure_ascii=False, indent=2) + "\n")


def _print(heading: str, rows: tuple) -> None:
    typer.echo(heading)
    for title, trace in rows:
        typer.echo(f"  {title:<9}  {trace.size:>12}  {trace.kind:<17}  {trace.key}")
