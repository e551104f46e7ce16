"""Voices as small as a registry can tell apart, and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.voice.conftest import voicemill
from voicemill.core.digests import file_digest
from voicemill.registry import publish
from voicemill.storage import Store, open_store
from voicemill.voice.manifest import Part, ReferenceClip, Voice

__all__ = ["voicemill"]


def make_voice(
    folder: Path, weights: str = "one", *, speaker: str = "anna", error_rate: float = 0.2, consent: str = "Agreed."
) -> Path:
    """A whole voice whose files are a few bytes."""
    folder.mkdir(parents=True)
    contents = {"sovits.safetensors": f"s {weights}", "gpt.safetensors": f"g {weights}", "reference.wav": speaker}
    for name, text in contents.items():
        (folder / name).write_text(text)
    sovits, gpt = (
        Part(name, file_digest(folder / name), f"e8_{name}") for name in ("sovits.safetensors", "gpt.safetensors")
    )
    clip = ReferenceClip("reference.wav", file_digest(folder / "reference.wav"), "Hello.", "en", 4.0)
    Voice(speaker, "v2", "en", 32_000, sovits, gpt, clip).write(folder)
    lineage = {
        "consent": {"consent": consent} if consent else None,
        "data": {"dataset": f"digest of {weights}"},
        "base": {"gpt": "digest of the base"},
        "training": {"gpt": {"epochs": 15, "learning_rate": 0.01}, "sovits": {"epochs": len(weights)}},
        "code": {"voicemill": "0.1.0"},
    }
    (folder / "lineage.json").write_text(json.dumps(lineage))
    metrics = {"best": {"error_rate": error_rate, "similarity": 0.8, "score": 0.5, "sovits": "e8"}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


@pytest.fixture
def registry(place: str) -> Store:
    """An empty registry: in a folder, on moto's S3 and on a real S3 server."""
    return open_store(f"{place}/registry")


@pytest.fixture
def three(registry: Store, tmp_path: Path) -> list[str]:
    """Three versions of anna, published one after the other."""
    rates = {"one": 0.3, "three": 0.2, "fourth": 0.1}
    folders = [make_voice(tmp_path / name, name, error_rate=rate) for name, rate in rates.items()]
    return [publish(folder, registry).version for folder in folders]


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private and its public key."""
    return make_keys(tmp_path / "keys")


def make_keys(folder: Path) -> tuple[Path, Path]:
    """Write a key pair on the curve P-256."""
    folder.mkdir(parents=True)
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "key.pem", folder / "key.pub"
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public
