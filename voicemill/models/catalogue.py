"""The catalogue of pretrained models, read from models.yaml."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from voicemill.core.errors import UsageError

DEFAULT = ("v2", "separation", "whisper")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a model.

    Attributes:
        path: Where it lies below the models folder.
        url: Address of the file, if it does not come from the hub.
        hub: Repository on the hub and path in it.
        revision: Commit of the repository; None for its newest.
        size: Bytes, where known for certain.
        sha256: Hash, where known for certain.
        known_to: An index, below the models folder, that names the file by its MD5.
    """

    path: str
    url: str | None = None
    hub: tuple[str, str] | None = None
    revision: str | None = None
    size: int | None = None
    sha256: str | None = None
    known_to: str | None = None

    @property
    def source(self) -> str:
        """Where it comes from, for people."""
        return self.url or "{}/{}".format(*self.hub or ("", self.path))


@dataclass(frozen=True)
class Model:
    """An entry of the catalogue: files that make one model."""

    name: str
    about: str
    licence: str
    versions: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    default: bool

    def is_meant_by(self, word: str) -> bool:
        """Return whether a word of a command line means this model."""
        return word == self.name or word in self.versions or (word == "all" and self.default)

    @property
    def title(self) -> str:
        """Its name, with the versions it is for where others of that name are for other versions."""
        alone = sum(model.name == self.name for model in models()) <= 1
        return self.name if alone else f"{self.name} {', '.join(self.versions)}"


@cache
def models() -> tuple[Model, ...]:
    """Return all entries, in the file's order."""
    import yaml

    content = yaml.safe_load(Path(__file__).with_name("models.yaml").read_text(encoding="utf-8"))
    return tuple(_model(entry, content["revisions"]) for entry in content["models"])


def select(words: list[str]) -> list[Model]:
    """Return the models that words of a command line mean.

    Args:
        words: Versions (all that a version needs), names of models, or "all"; none for `DEFAULT`.

    Returns:
        Each model once, in the catalogue's order.

    Raises:
        UsageError: A word means nothing.
    """
    chosen: set[Model] = set()
    for word in words or DEFAULT:
        meant = [model for model in models() if model.is_meant_by(word)]
        if not meant:
            known = dict.fromkeys(["all", *(v for m in models() for v in m.versions), *(m.name for m in models())])
            raise UsageError(f"unknown model or version {word!r}; known: {', '.join(known)}")
        chosen.update(meant)
    return [model for model in models() if model in chosen]


def _model(entry: dict[str, Any], revisions: dict[str, str]) -> Model:
    return Model(
        name=entry["name"],
        about=entry["about"],
        licence=entry["licence"],
        versions=tuple(entry.get("versions", ())),
        files=tuple(_file(file, entry, revisions) for file in entry["files"]),
        default=entry.get("default", True),
    )


def _file(file: str | dict[str, Any], entry: dict[str, Any], revisions: dict[str, str]) -> RemoteFile:
    fields: dict[str, Any] = {"path": file} if isinstance(file, str) else file
    if "url" in fields:
        return RemoteFile(**fields)
    hub = (entry["hub"], fields["path"])
    path = f"{entry['into']}/{fields['path']}" if "into" in entry else fields["path"]
    return RemoteFile(**{**fields, "path": path, "hub": hub, "revision": revisions.get(entry["hub"])})
