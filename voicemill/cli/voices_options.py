"""What the commands on a registry have in common."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voicemill.core.errors import UsageError
from voicemill.core.names import normal, shown, speaker_problem

if TYPE_CHECKING:
    from voicemill.registry import Record
    from voicemill.storage import Store

Registry = Annotated[
    str, typer.Option("--registry", envvar="VOICEMILL_REGISTRY", help="Folder or s3:// address of the registry.")
]
Voice = Annotated[str, typer.Argument(metavar="VOICE", help="SPEAKER, SPEAKER@ALIAS or SPEAKER@VERSION.")]
By = Annotated[
    str, typer.Option("--by", envvar="VOICEMILL_USER", help="Who makes the change; default: the current user.")
]
Why = Annotated[str, typer.Option("--why", help="Reason, for the record.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def opened(registry: str) -> Store:
    """The registry's store."""
    from voicemill.registry import open_registry

    return open_registry(registry)


def speaker_given(name: str) -> str:
    """A speaker's name from a command line, in the form in which names are compared.

    Raises:
        UsageError: if no speaker can be called so.
    """
    if problem := speaker_problem(name):
        raise UsageError(f"the speaker {shown(name)} {problem}")
    return normal(name)


def record_of(registry: Store, voice: str) -> Record:
    """The record of `SPEAKER[@NAME]`."""
    from voicemill.registry import names, resolve

    return resolve(registry, names.parse(voice))


def actor(by: str) -> str:
    """Who acts."""
    from voicemill.registry import documents

    return by or documents.who()


@contextmanager
def local_voice(voice: str, registry: str) -> Iterator[Path]:
    """A voice folder, or a registered voice brought here for as long as it is needed.

    Raises:
        UsageError: if it is not a folder and no registry is named.
    """
    from voicemill.registry import fetch_voice, names

    if not registry and names.is_reference(voice):
        raise UsageError(f"{voice} is not a voice folder; for a registered voice, give --registry")
    with tempfile.TemporaryDirectory() as work:
        yield fetch_voice(voice, registry, Path(work) / "voice")


def must_be_free(out: Path) -> None:
    """Refuse to write over what is there.

    Raises:
        UsageError: if there is anything.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} already exists: give a folder that does not exist yet")
