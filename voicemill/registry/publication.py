"""Versions come into the registry, are looked up, fetched and deleted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from voicemill.core.errors import InputError, TryAgain
from voicemill.core.logs import get_logger
from voicemill.core.names import Names, normal
from voicemill.core.safe_paths import safe_join
from voicemill.registry import aliases, names, policy, records, signatures, tombstones
from voicemill.registry.records import PublishedVersion, Record, version_of
from voicemill.storage import Conflict, Store, fetch, normal_store, open_store

log = get_logger(__name__)


def open_registry(location: str | Path) -> Store:
    """The registry at a folder or s3:// address: a speaker is found in whichever Unicode form the name was stored."""
    return normal_store(open_store(location))


def publish(folder: Path, registry: Store) -> PublishedVersion:
    """Put a voice folder into the registry as an immutable version, and point `latest` at it.

    Interrupted, it leaves nothing that `versions` would show; tried again, it sends only what is missing. The same
    voice published again is the same version.

    Raises:
        InputError: if the folder is not a whole voice, the registry's policy refuses it, or its speaker was revoked.
        TryAgain: if the registry cannot be reached.
    """
    records.check_contents(folder)
    published = version_of(folder)
    speaker = names.check_speaker(published.speaker)
    record = records.describe(folder, published)
    policy.check_consent(policy.read(registry), speaker, record.about["consent"])
    tombstones.refuse(registry, speaker)
    tombstones.refuse_alike(registry, speaker)
    tombstones.refuse_files(registry, published)
    _tell_apart(registry, speaker)
    place = names.version_place(speaker, published.version)
    for name in published.files:
        registry.upload(folder / name, place + name)
    if (folder / names.SIGNATURE).is_file():
        registry.upload(folder / names.SIGNATURE, place + names.SIGNATURE)
    missing = _missing(registry, place, published.files)
    if missing:
        raise TryAgain(f"{min(missing)} of {speaker} was removed while it was being published")
    # The version's name is its content's digest: whoever published it first published the same.
    with suppress(Conflict):
        registry.write(names.record_key(speaker, published.version), record.encode(), only_if_absent=True)
    if tombstones.is_there(registry, speaker):
        # It was revoked while this version came: what came is gone as well.
        registry.erase(list(registry.traces(place)))
        tombstones.refuse(registry, speaker)
    aliases.advance(registry, records.find(registry, speaker, published.version) or record)
    return published


def _tell_apart(registry: Store, speaker: str) -> None:
    """Refuse a speaker whose files would be among another's, where names that differ in case alone are one folder."""
    for other in records.alike(registry, speaker):
        if speaker not in registry.folders() and next(iter(registry.list(f"{speaker}/")), None):
            raise InputError(
                f"{speaker} and {other} are one folder on this registry's file system; publish the voice as {other},"
                " or under a name that differs in more than case"
            )
        log.warning("the registry has %s beside %s: names that differ in case alone are two speakers", other, speaker)


def resolve(registry: Store, reference: names.Reference) -> Record:
    """Return the record that a reference means: an alias, a version, or the first four or more digits of one.

    Raises:
        InputError: if the version does not exist, more than one, or its speaker was revoked.
    """
    speaker, name = names.check_speaker(reference.speaker), reference.name
    tombstones.refuse(registry, speaker)
    alias = None if names.is_version(name) else aliases.read(registry, speaker, name)
    if alias or names.is_version(name):
        found = records.find(registry, speaker, alias.version if alias else name)
        if found:
            return found
    there = versions_with(registry, speaker, name)
    if len(there) == 1 and (found := records.find(registry, speaker, there[0])):
        return found
    if len(there) > 1:
        raise InputError(f"{speaker} has {len(there)} versions that begin with {name}; give more digits")
    known = [*aliases.survey(registry, speaker)[0], *records.versions(registry, speaker)]
    if not known and (other := records.known_as(registry, speaker)) != speaker:
        return resolve(registry, names.Reference(other, name))
    meant = Names(records.alike(registry, speaker)).hint(speaker)
    hint = f"it has {', '.join(known)}" if known else f"the registry has no version of it{meant}"
    raise InputError(f"{speaker} has no version {name}; {hint}")


def versions_with(registry: Store, speaker: str, digits: str) -> list[str]:
    """Return the versions whose name begins with at least four digits given."""
    if len(digits) < 4:
        return []
    return [version for version in records.versions(registry, speaker) if version.startswith(digits)]


def pull(registry: Store, speaker: str, name: str, target: Path) -> Path:
    """Bring a version to this machine and check it: content, consent and signature as the registry requires.

    Args:
        registry: Where from.
        speaker: Whose voice.
        name: A version, its first digits, or an alias.
        target: Folder to put it into.

    Raises:
        InputError: if the version does not exist, what came is not what was published, or the policy refuses it.
    """
    record = resolve(registry, names.Reference(speaker, name))
    bring(registry, record, target)
    rules = policy.read(registry)
    policy.check_consent(rules, speaker, record.about["consent"])
    policy.check_signature(rules, target, f"{speaker}@{record.version}")
    return target


def fetch_voice(place: str, registry: str, work: Path) -> Path:
    """Return the folder of a voice on this machine.

    Args:
        place: Its folder or s3:// address, or where a registry is given SPEAKER, SPEAKER@ALIAS or SPEAKER@VERSION.
        registry: Folder or s3:// address of the registry, or empty.
        work: An empty folder for what comes from the registry.

    Raises:
        InputError: if the voice does not exist, or the registry's policy refuses it.
    """
    if not registry or not names.is_reference(place):
        return fetch(place)
    reference = names.parse(place)
    return pull(open_registry(registry), reference.speaker, reference.name, work)


def check(registry: Store, record: Record) -> None:
    """Check that a version may be promoted: it is whole and is what the policy requires.

    Raises:
        InputError: if not.
    """
    rules = policy.read(registry)
    policy.check_consent(rules, record.speaker, record.about["consent"])
    place = names.version_place(record.speaker, record.version)
    missing = _missing(registry, place, record.files)
    if missing:
        raise InputError(f"version {record.version} of {record.speaker} lacks {min(missing)}; publish it again")
    if rules.public_keys:
        # The digests that were signed are those of the files, so all of it has to come.
        with tempfile.TemporaryDirectory() as folder:
            title = f"{record.speaker}@{record.version}"
            policy.check_signature(rules, bring(registry, record, Path(folder)), title)


def bring(registry: Store, record: Record, target: Path) -> Path:
    """Download a version and its signature, and compare it with its name.

    Raises:
        InputError: if the record names a file outside of the target, or what came is not what was published.
    """
    place = names.version_place(record.speaker, record.version)
    targets = {name: safe_join(target, name) for name in record.files}
    for name, path in targets.items():
        registry.download(place + name, path)
    if registry.find(place + names.SIGNATURE):
        registry.download(place + names.SIGNATURE, target / names.SIGNATURE)
    try:
        whole = version_of(target).version == record.version
    except InputError:
        whole = False
    if not whole:
        raise InputError(
            f"version {record.version} of {record.speaker} does not match what was published: the registry was modified"
        )
    return target


def add_signature(registry: Store, record: Record, private_key: Path, work: Path, password: str | None = None) -> None:
    """Sign a version that is in the registry; a signature that it had is replaced.

    Args:
        registry: Where it is.
        record: The version.
        private_key: PEM file.
        work: An empty folder for the voice.
        password: The key's, if it has one.
    """
    signature = signatures.sign(bring(registry, record, work), private_key, password)
    registry.upload(signature, names.version_place(record.speaker, record.version) + names.SIGNATURE)


def delete(registry: Store, record: Record, *, by: str) -> None:
    """Delete a version for good. `latest` goes to the version before it.

    Raises:
        InputError: if another alias points at it.
    """
    speaker, version = record.speaker, record.version
    _must_be_free(registry, record)
    aliases.retreat(registry, speaker, version, by=by)
    key = names.record_key(speaker, version)
    registry.erase(list(registry.traces(key)))
    try:
        # Somebody may have promoted it since: whoever looks second sees the other's write.
        _must_be_free(registry, record)
    except InputError:
        registry.write(key, record.encode())
        raise
    registry.erase(list(registry.traces(names.version_place(speaker, version))))


def _missing(registry: Store, place: str, files: Iterable[str]) -> set[str]:
    there = {normal(entry.key).removeprefix(place) for entry in registry.list(place)}
    return {name for name in files if normal(name) not in there}


def _must_be_free(registry: Store, record: Record) -> None:
    every = aliases.every(registry, record.speaker)
    holding = [name for name, alias in every.items() if alias.version == record.version and name != names.LATEST]
    if holding:
        raise InputError(
            f"version {record.version} of {record.speaker} is {', '.join(holding)}; promote another one first"
        )
