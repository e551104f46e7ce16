"""What a registry asks of a voice: consent, and a signature that fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.factories import make_run
from tests.registry.conftest import make_keys, make_voice
from voicemill.core.errors import InputError
from voicemill.registry import policy, publication, publish, pull, records, signatures, version_of
from voicemill.stages.publish import publish as publish_stage
from voicemill.storage import open_store


def test_without_consent_a_voice_is_not_taken_where_consent_is_required(tmp_path: Path) -> None:
    registry = open_store(tmp_path / "registry")
    silent = make_voice(tmp_path / "silent", consent="")
    policy.write(registry, policy.Policy(require_consent=True))
    with pytest.raises(InputError, match="requires a record of the speaker's consent, and anna has none"):
        publish(silent, registry)
    assert [entry.key for entry in registry.list()] == ["_policy.json"]
    publish(make_voice(tmp_path / "agreed"), registry)


def test_a_voice_that_came_before_the_rule_is_not_promoted_or_fetched(tmp_path: Path) -> None:
    registry = open_store(tmp_path / "registry")
    version = publish(make_voice(tmp_path / "silent", consent=""), registry).version
    policy.write(registry, policy.Policy(require_consent=True))
    record = records.find(registry, "anna", version)
    assert record
    with pytest.raises(InputError, match="consent"):
        publication.check(registry, record)
    with pytest.raises(InputError, match="consent"):
        pull(registry, "anna", version, tmp_path / "back")


def test_a_signature_is_made_and_verified_without_any_server(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    voice = make_voice(tmp_path / "voice")
    version = version_of(voice).version
    signatures.sign(voice, keys[0])
    signatures.verify(voice, [keys[1].read_text()])
    assert version_of(voice).version == version, "the signature is not part of the version"
    signatures.verify(voice, [make_keys(tmp_path / "other")[1].read_text(), keys[1].read_text()])


@pytest.mark.parametrize("change", ["altered", "added", "hidden", "removed", "unsigned", "other key", "garbled"])
def test_a_voice_that_is_not_what_was_signed_is_refused(tmp_path: Path, keys: tuple[Path, Path], change: str) -> None:
    voice = make_voice(tmp_path / "voice")
    signatures.sign(voice, keys[0])
    trusted = keys[1].read_text()
    match change:
        case "altered":
            (voice / "gpt.safetensors").write_text("other weights")
        case "added":
            (voice / "extra.txt").write_text("x")
        case "hidden":
            (voice / ".gitignore").write_text("x")
        case "removed":
            (voice / "metrics.json").unlink()
        case "unsigned":
            (voice / "model.sig").unlink()
        case "other key":
            trusted = make_keys(tmp_path / "other")[1].read_text()
        case "garbled":
            (voice / "model.sig").write_text("{}")
    with pytest.raises(InputError, match="sign"):
        signatures.verify(voice, [trusted])


def test_what_is_no_public_key_is_refused(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    registry = open_store(tmp_path / "registry")
    for text in ("no key", keys[0].read_text()):
        with pytest.raises(InputError, match="not a public key"):
            policy.write(registry, policy.Policy(public_keys=(text,)))
    with pytest.raises(InputError, match="cannot sign"):
        signatures.sign(make_voice(tmp_path / "voice"), keys[1])


def test_a_registry_that_requires_a_signature_promotes_and_gives_only_signed_voices(
    tmp_path: Path, keys: tuple[Path, Path], place: str
) -> None:
    registry = open_store(f"{place}/registry")
    version = publish(make_voice(tmp_path / "voice"), registry).version
    policy.write(registry, policy.Policy(public_keys=(keys[1].read_text(),)))
    record = records.find(registry, "anna", version)
    assert record
    for attempt in (
        lambda: publication.check(registry, record),
        lambda: pull(registry, "anna", version, tmp_path / "a"),
    ):
        with pytest.raises(InputError, match="not signed"):
            attempt()
    (tmp_path / "work").mkdir()
    publication.add_signature(registry, record, keys[0], tmp_path / "work")
    publication.check(registry, record)
    assert version_of(pull(registry, "anna", version, tmp_path / "back")).version == version
    signed = make_voice(tmp_path / "signed", "signed before it was published")
    signatures.sign(signed, keys[0])
    assert pull(registry, "anna", publish(signed, registry).version, tmp_path / "second")


def test_what_the_publish_stage_signs_verifies_in_the_registry(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    run = make_run(tmp_path / "run")
    registry = open_store(tmp_path / "registry")
    policy.write(registry, policy.Policy(require_consent=True, public_keys=(keys[1].read_text(),)))
    folders = (run.sovits, run.gpt, run.evaluation, run.clips, run.transcripts, run.dataset, tmp_path / "voice")
    where = {"models": str(run.models), "registry": str(tmp_path / "registry"), "signing_key": str(keys[0])}
    publish_stage(*folders, run.audio, speaker="lj", **where)
    back = pull(registry, "lj", "latest", tmp_path / "back")
    assert version_of(back) == version_of(tmp_path / "voice")


def test_a_voice_that_is_not_signed_does_not_speak_where_a_signature_is_required(
    tmp_path: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from voicemill.synthesis.speaking import load_voice

    voice = make_voice(tmp_path / "voice")
    for key in (str(keys[1]), keys[1].read_text()):
        monkeypatch.setenv("VOICEMILL_PUBLIC_KEY", key)
        with pytest.raises(InputError, match="not signed"):
            load_voice(voice, tmp_path / "models")
    signatures.sign(voice, keys[0])
    # Past the signature, these few bytes are not weights.
    with pytest.raises(InputError, match="safetensors"):
        load_voice(voice, tmp_path / "models")
    monkeypatch.setenv("VOICEMILL_PUBLIC_KEY", "no such file")
    with pytest.raises(InputError, match="cannot be read"):
        load_voice(voice, tmp_path / "models")
