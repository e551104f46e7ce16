"""`voicemill voices publish|pull|promote|rollback|sign|delete|policy|collect`: what changes a registry."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from voicemill.cli.voices_options import (
    By,
    Registry,
    Voice,
    Why,
    actor,
    local_voice,
    must_be_free,
    opened,
    record_of,
    speaker_given,
)
from voicemill.core.errors import InputError, UsageError

app = typer.Typer()

AliasName = Annotated[str, typer.Option("--as", metavar="ALIAS", help="The alias.")]


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A voice folder.")], registry: Registry
) -> None:
    """Put a voice folder into the registry; `latest` points at it."""
    from voicemill import registry as voices

    published = voices.publish(folder, opened(registry))
    typer.echo(f"{published.speaker}@{published.version}")


@app.command()
def pull(
    voice: Voice, registry: Registry, out: Annotated[Path, typer.Option("--out", help="Folder to create.")]
) -> None:
    """Fetch a version and check it: content, and consent and signature as the registry requires."""
    from voicemill.core.files import atomic
    from voicemill.registry import names
    from voicemill.registry import pull as fetch

    must_be_free(out)
    reference = names.parse(voice)
    with atomic(out, is_folder=True) as folder:
        fetch(opened(registry), reference.speaker, reference.name, folder)
    typer.echo(f"{out}: {voice}")


@app.command()
def promote(voice: Voice, registry: Registry, alias: AliasName = "prod", by: By = "", why: Why = "") -> None:
    """Point an alias at a version. Of two who do it at once, one wins and the other ends with 75."""
    from voicemill.registry import aliases, names, publication

    store = opened(registry)
    if alias == names.LATEST:
        raise UsageError("`latest` always follows the newest publication; choose another alias")
    record = record_of(store, voice)
    publication.check(store, record)
    moved = aliases.promote(store, record, alias, by=actor(by), why=why)
    was = f", was {moved.before[-1]}" if moved.before else ""
    typer.echo(f"{alias} of {record.speaker} is {moved.version}{was}")


@app.command()
def rollback(
    speaker: Annotated[str, typer.Argument(metavar="SPEAKER")],
    registry: Registry,
    alias: AliasName = "prod",
    by: By = "",
    why: Why = "",
) -> None:
    """Point an alias at the version that it was before; again, and it goes one further back."""
    from voicemill.registry import records
    from voicemill.registry import rollback as move

    store = opened(registry)
    speaker = records.known_as(store, speaker_given(speaker))
    moved = move(store, speaker, alias, by=actor(by), why=why)
    typer.echo(f"{alias} of {speaker} is {moved.version} again")


@app.command()
def delete(voice: Voice, registry: Registry, by: By = "") -> None:
    """Delete a version for good; not while an alias other than `latest` points at it."""
    from voicemill.registry import delete as remove
    from voicemill.registry import names

    if not names.is_version(names.parse(voice).name):
        raise UsageError(f"{voice}: name the version itself, SPEAKER@VERSION, not an alias")
    store = opened(registry)
    remove(store, record_of(store, voice), by=actor(by))
    typer.echo(f"{voice} was deleted")


@app.command()
def sign(
    voice: Annotated[str, typer.Argument(metavar="VOICE", help="A voice folder, or a registered voice.")],
    key: Annotated[Path, typer.Option(help="Private key: a PEM file, P-256, P-384 or P-521.")],
    registry: Registry = "",
    password: Annotated[str, typer.Option(envvar="VOICEMILL_KEY_PASSWORD", help="The key's password.")] = "",
) -> None:
    """Sign a voice folder, or a version in the registry, in the OpenSSF's format (model.sig)."""
    from voicemill.registry import publication, signatures
    from voicemill.voice.manifest import read_voice

    if "@" not in voice and Path(voice).is_dir():
        read_voice(Path(voice))
        typer.echo(f"signed: {signatures.sign(Path(voice), key, password or None)}")
        return
    if not registry:
        raise UsageError(f"{voice} is not a voice folder; for a registered voice, give --registry")
    store = opened(registry)
    record = record_of(store, voice)
    with tempfile.TemporaryDirectory() as place:
        publication.add_signature(store, record, key, Path(place), password or None)
    typer.echo(f"signed: {record.speaker}@{record.version}")


@app.command()
def verify(
    voice: Annotated[str, typer.Argument(metavar="VOICE", help="A voice folder, or a registered voice.")],
    key: Annotated[list[Path], typer.Option(help="Public key, a PEM file; may be given more than once.")],
    registry: Registry = "",
) -> None:
    """Check that a voice is what one of these keys signed; ends with 65 if not."""
    from voicemill.registry import signatures

    with local_voice(voice, registry) as folder:
        signatures.verify(folder, [path.read_text() for path in key])
    typer.echo(f"{voice}: the signature is valid")


@app.command()
def policy(
    registry: Registry,
    require_consent: Annotated[
        bool | None, typer.Option(help="Refuse voices without a record of their speaker's consent.")
    ] = None,
    key: Annotated[
        list[Path] | None, typer.Option("--require-signature", help="A public key that voices must be signed with.")
    ] = None,
    no_signature: Annotated[bool, typer.Option("--no-signature", help="Require no signature.")] = False,
) -> None:
    """Show what the registry requires of a voice, or change it."""
    from dataclasses import replace

    from voicemill.registry import policy as rules

    store = opened(registry)
    now = rules.read(store)
    wanted = now if require_consent is None else replace(now, require_consent=require_consent)
    if key or no_signature:
        wanted = replace(wanted, public_keys=tuple(path.read_text() for path in key or ()))
    if wanted != now:
        rules.write(store, wanted)
    typer.echo(f"consent: {'required' if wanted.require_consent else 'not required'}")
    typer.echo(f"signature: {'by one of' if wanted.public_keys else 'not required'}")
    for text in wanted.public_keys:
        typer.echo(text.strip())


@app.command()
def collect(
    registry: Registry,
    older_than: Annotated[float, typer.Option(help="Only uploads that have not changed for this many hours.")] = 24.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list it.")] = False,
) -> None:
    """Remove what interrupted publications and deletions left: files without a record, unfinished transfers."""
    from voicemill.registry import garbage

    if older_than < 0:
        raise InputError("--older-than takes hours, 0 or more")
    work = garbage.find if dry_run else garbage.collect
    found = work(opened(registry), older_than=3600 * older_than)
    for trace in found:
        typer.echo(f"{trace.size:>12}  {trace.kind:<17}  {trace.key}")
    size = sum(trace.size for trace in found)
    typer.echo(f"{len(found)} objects, {size} bytes{' would be' if dry_run else ''} removed")
