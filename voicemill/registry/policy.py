"""What a registry asks of a voice. The rules lie in the registry, so that they hold for whoever uses it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from voicemill.core.errors import InputError
from voicemill.registry import documents, names, signatures
from voicemill.storage import Store


@dataclass(frozen=True)
class Policy:
    """The rules.

    Attributes:
        require_consent: A voice without a record of its speaker's consent is not published and not promoted.
        public_keys: PEM texts. Where there are any, a voice is only promoted and fetched if it is signed with one.
    """

    require_consent: bool = False
    public_keys: tuple[str, ...] = ()


def read(registry: Store) -> Policy:
    """Return the registry's policy; where none was set, nothing is required.

    Raises:
        InputError: if it is damaged: what it required is then not known.
    """
    found = documents.read(registry, names.POLICY)
    if found is None:
        return Policy()
    return documents.shaped(Policy, found[0], names.POLICY)


def write(registry: Store, policy: Policy) -> None:
    """Set the policy.

    Raises:
        InputError: if a key is not a public key of a kind that signs voices.
    """
    for key in policy.public_keys:
        signatures.check_public_key(key)
    registry.write(names.POLICY, documents.encode(asdict(policy)))


def check_consent(policy: Policy, speaker: str, consent: bool) -> None:
    """Refuse a voice without consent where the policy requires it.

    Raises:
        InputError: if it is refused.
    """
    if policy.require_consent and not consent:
        raise InputError(
            f"this registry requires a record of the speaker's consent, and {speaker} has none; "
            "run ingest with --consent, or import with --consent"
        )


def check_signature(policy: Policy, folder: Path, title: str) -> None:
    """Refuse a voice folder that no trusted key signed, where the policy names keys; `title` is for the error.

    Raises:
        InputError: if it is refused.
    """
    if policy.public_keys:
        signatures.verify(folder, policy.public_keys, title)
