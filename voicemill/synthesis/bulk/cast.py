"""The voices that speak a script: what a name means, and whose voice it is."""

from __future__ import annotations

from dataclasses import dataclass

from voicemill import storage
from voicemill.core.errors import InputError, UsageError
from voicemill.core.names import Names, normal
from voicemill.registry import names, open_registry, resolve
from voicemill.voice.manifest import MANIFEST, parse_voice


@dataclass(frozen=True)
class Voice:
    """A voice to speak with.

    Attributes:
        place: Where it is: a folder, an s3:// address, or SPEAKER@VERSION of the registry.
        speaker: Whose voice it is.
    """

    place: str
    speaker: str


class Cast:
    """Looks voices up, each once.

    Args:
        voices: What is common to all lines: folders, s3:// addresses, or SPEAKER, SPEAKER@ALIAS, SPEAKER@VERSION of the
            registry.
        registry: Where the registry is, if there is one.

    Attributes:
        common: The voices of all lines that name none themselves.
        mistakes: What is wrong with them.
    """

    def __init__(self, voices: list[str], registry: str = "") -> None:
        self._registry = open_registry(registry) if registry else None
        self._found: dict[str, Voice | InputError] = {}
        self.common: list[Voice] = []
        self.mistakes: list[str] = []
        for name in voices:
            try:
                voice = self._look_up(name)
            except InputError as error:
                self.mistakes.append(f"voices: {error}")
                continue
            if voice in self.common:
                self.mistakes.append(f"voices: {name} appears twice")
            else:
                self.common.append(voice)

    def find(self, name: str) -> Voice:
        """The voice that a line names: the speaker of one of the common voices, or any other on S3 or in the registry.

        Raises:
            InputError: If the voice does not exist, or two of that speaker.
        """
        name = normal(name)
        if name not in self._found:
            try:
                self._found[name] = self._of_line(name)
            except InputError as error:
                self._found[name] = error
        found = self._found[name]
        if isinstance(found, InputError):
            raise found
        return found

    def _of_line(self, name: str) -> Voice:
        meant = Names(voice.speaker for voice in self.common).sole(name)
        own = [voice for voice in self.common if voice.speaker == meant]
        if len(own) > 1:
            raise InputError(f"{len(own)} of the voices are of {name}; name one by its path or address")
        if own:
            return own[0]
        if storage.is_remote(name) or self._registry:
            return self._look_up(name)
        known = ", ".join(voice.speaker for voice in self.common) or "none"
        raise InputError(f"unknown voice {name}; give a registry to look it up in, or use one of: {known}")

    def _look_up(self, name: str) -> Voice:
        if self._registry and names.is_reference(name):
            try:
                record = resolve(self._registry, names.parse(name))
            except UsageError as error:
                raise InputError(str(error)) from error
            # By its version: whoever moves the alias while lines are spoken does not change the voice half way.
            return Voice(f"{record.speaker}@{record.version}", record.speaker)
        store = storage.open_store(name)
        if not store.find(MANIFEST):
            raise InputError(f"{name} is not a voice: it has no {MANIFEST}")
        described = parse_voice(store.read(MANIFEST)[0], f"{name}/{MANIFEST}")
        return Voice(name, names.check_speaker(described.speaker))
