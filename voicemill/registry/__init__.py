"""The registry of voices: immutable versions by the digest of their content, and aliases that point at them.

    <registry>/<speaker>/<version>/voice.json ...    the voice folder as published
    <registry>/<speaker>/<version>/model.sig         its signature, if it has one
    <registry>/<speaker>/<version>/_SUCCESS.json     its record, written last: without it the version is not there
    <registry>/<speaker>/_aliases/prod.json          the version that `prod` is, and those that it was
    <registry>/_policy.json                          what a voice must have
    <registry>/_revoked/<speaker>.json               the speaker was removed and cannot be published again

Whatever is written in between, a reader sees whole versions and aliases that point at them. The registry is a folder or
an S3 prefix; every change that two may make at once is a conditional write.
"""

from voicemill.registry.aliases import Alias, promote, rollback
from voicemill.registry.publication import delete, fetch_voice, open_registry, publish, pull, resolve
from voicemill.registry.records import PublishedVersion, Record, version_of, versions

__all__ = [
    "Alias",
    "PublishedVersion",
    "Record",
    "delete",
    "fetch_voice",
    "open_registry",
    "promote",
    "publish",
    "pull",
    "resolve",
    "rollback",
    "version_of",
    "versions",
]
