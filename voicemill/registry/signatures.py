"""Signatures of voices, as the OpenSSF's model-signing makes them: `model.sig` in the voice folder.

It is a Sigstore bundle over the digests of all files, made with an elliptic-curve key; nothing is asked of any server.
"""

# Methods of model-signing have parameters without types.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from voicemill.core.errors import InputError, UsageError
from voicemill.registry.names import SIGNATURE

if TYPE_CHECKING:
    from model_signing import hashing


def sign(folder: Path, private_key: Path, password: str | None = None) -> Path:
    """Sign a voice folder; gives the signature's file.

    Args:
        folder: A voice.
        private_key: PEM file of a key on the curve P-256, P-384 or P-521.
        password: The key's, if it has one.

    Raises:
        InputError: if the key cannot be used.
    """
    _needs_model_signing()
    from model_signing import signing

    target = folder / SIGNATURE
    target.unlink(missing_ok=True)
    try:
        config = signing.Config().use_elliptic_key_signer(private_key=private_key, password=password)
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{private_key} cannot sign: {error}") from error
    config.set_hashing_config(_hashing()).sign(folder, target)
    return target


def verify(folder: Path, public_keys: Iterable[str], title: str = "") -> None:
    """Check that a voice folder is what somebody signed with one of these keys.

    Args:
        folder: A voice.
        public_keys: PEM texts.
        title: What errors call the voice; by default the folder.

    Raises:
        InputError: if it is not signed, signed with another key, or changed since.
    """
    _needs_model_signing()
    from cryptography.exceptions import InvalidSignature
    from model_signing import verifying

    title = title or str(folder)
    signature = folder / SIGNATURE
    if not signature.is_file():
        raise InputError(f"{title} is not signed, and a signature is required; sign it with `voicemill voices sign`")
    reasons: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        for number, key in enumerate(public_keys):
            file = Path(place) / f"{number}.pem"
            file.write_text(key)
            try:
                config = verifying.Config().use_elliptic_key_verifier(public_key=file)
                config.set_hashing_config(_hashing()).verify(folder, signature)
                return
            except (InvalidSignature, ValueError, KeyError, TypeError, OSError) as error:
                reasons.append(" ".join(str(error).split()) or "the signature was made with another key")
    raise InputError(f"{title} does not match a signature by a trusted key: {'; '.join(dict.fromkeys(reasons))}")


def require_at_load(folder: Path) -> None:
    """Before a voice speaks: where `$VOICEMILL_PUBLIC_KEY` names a PEM file or is one, only a voice that it signed may.

    Raises:
        InputError: if it is not signed, signed with another key, or changed since.
    """
    key = os.environ.get("VOICEMILL_PUBLIC_KEY", "").strip()
    if not key:
        return
    try:
        text = key if key.startswith("-----BEGIN") else Path(key).read_text()
    except OSError as error:
        raise InputError(f"the public key in $VOICEMILL_PUBLIC_KEY cannot be read: {error}") from error
    verify(folder, [text])


def check_public_key(text: str) -> None:
    """Refuse a text that is not a public key that a signature can be checked with.

    Raises:
        InputError: if it is none.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(text.encode())
    except ValueError as error:
        raise InputError(f"not a public key in PEM format: {error}") from error
    if not isinstance(key, EllipticCurvePublicKey):
        raise InputError("voices are signed with elliptic-curve keys (P-256, P-384, P-521); this is another kind")


def _hashing() -> hashing.Config:
    """Return every file counts but the signature; what a signature says to leave out is not obeyed."""
    from model_signing import hashing

    return hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)


def _needs_model_signing() -> None:
    if importlib.util.find_spec("model_signing") is None:
        raise UsageError("signatures need the package model-signing: pip install 'voicemill[signing]'")
