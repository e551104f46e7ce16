"""A revoked speaker is gone: registry, runs, uploads, earlier versions; and does not come back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.registry.conftest import make_voice
from tests.registry.test_versions import stack
from voicemill.core.errors import InputError, TryAgain
from voicemill.registry import publish, pull, revocation, tombstones, uploads, versions
from voicemill.storage import Store, open_store, s3

RUN = ("ingest/audio/a.wav", "train-gpt/state/checkpoint.pt", "publish/voice/gpt.safetensors")


@pytest.fixture
def artifacts(place: str) -> Store:
    """What runs of anna and of annabel left, and what they uploaded."""
    store = open_store(place)
    for speaker in ("anna", "annabel"):
        for name in RUN:
            store.write(f"voices/{speaker}/clone-voice-1/{name}", speaker.encode())
    for digest, speakers in {"aa": ["anna"], "bb": ["anna", "annabel"], "cc": ["annabel"]}.items():
        store.write(f"{uploads.CONTENT}/{digest}/speech.wav", digest.encode())
        for speaker in speakers:
            uploads.mark(store, speaker, [digest])
    return store


def keys(store: Store) -> set[str]:
    return {trace.key for trace in store.traces()}


def test_everything_of_a_speaker_goes_and_nothing_of_another(
    registry: Store, three: list[str], artifacts: Store, tmp_path: Path
) -> None:
    stack(registry, three[0])
    other = publish(make_voice(tmp_path / "annabel", speaker="annabel"), registry).version
    before = keys(artifacts)
    done = revocation.revoke(registry, "anna", why="withdrew her consent", by="ben", artifacts=artifacts)
    # The registry of these tests lies in the place where the runs' artifacts lie.
    gone = {("" if title == "artifacts" else "registry/") + trace.key for title, trace in done.before}
    left = keys(artifacts)
    assert before - left == gone and done.after == ()
    assert {key for key in gone if "sha256" in key} == {"uploads/sha256/aa/speech.wav"}
    assert sum(key.startswith("uploads/used/anna/") for key in gone) == 2
    assert sum(key.startswith("voices/anna/") for key in gone) == len(RUN)
    assert sum(key.startswith("registry/anna/") for key in gone) == 3 * 7 + 2, "three versions, two aliases"
    assert not any("/anna/" in key for key in left)
    assert {key for key in before if "annabel" in key} <= left
    assert versions(registry, "annabel") == [other]
    stone = tombstones.find(registry, "anna")
    assert stone and (stone["by"], stone["why"]) == ("ben", "withdrew her consent")
    assert stone["removed"]["objects"] == len(gone) and stone["at"] <= stone["finished"]


def test_a_revoked_voice_is_neither_published_nor_fetched_again_also_not_by_another_name(
    registry: Store, three: list[str], tmp_path: Path
) -> None:
    revocation.revoke(registry, "anna", why="she asked", by="ben")
    for again in (tmp_path / "one", make_voice(tmp_path / "new", "quite new")):
        with pytest.raises(InputError, match="revoked by ben on .*: she asked"):
            publish(again, registry)
    with pytest.raises(InputError, match="revoked by ben"):
        pull(registry, "anna", three[0], tmp_path / "back")
    folder = make_voice(tmp_path / "renamed", speaker="zoe")
    shutil.copy(tmp_path / "one" / "gpt.safetensors", folder)
    voice = json.loads((folder / "voice.json").read_text())
    voice["gpt"] = json.loads((tmp_path / "one" / "voice.json").read_text())["gpt"]
    (folder / "voice.json").write_text(json.dumps(voice))
    with pytest.raises(InputError, match=r"gpt\.safetensors of zoe belongs to a speaker who was revoked"):
        publish(folder, registry)
    assert not any(entry.key.startswith(("anna/", "zoe/")) for entry in registry.list())


def test_a_voice_that_is_published_while_it_is_revoked_does_not_stay(registry: Store, tmp_path: Path) -> None:
    class RevokedMeanwhile:
        """A store that someone else revokes anna in, right before her record is written."""

        def __getattr__(self, name: str) -> Any:
            return getattr(registry, name)

        def write(self, key: str, data: bytes, **options: Any) -> str:
            if key.endswith("_SUCCESS.json"):
                revocation.revoke(registry, "anna", why="she asked", by="ben")
            return registry.write(key, data, **options)

    store: Any = RevokedMeanwhile()
    with pytest.raises(InputError, match="revoked by ben"):
        publish(make_voice(tmp_path / "voice"), store)
    assert [trace.key for trace in registry.traces("anna/")] == []


def test_an_interrupted_revocation_is_finished_by_the_next(registry: Store, three: list[str], artifacts: Store) -> None:
    class Away:
        """A store that S3 leaves in the middle of the work."""

        def __getattr__(self, name: str) -> Any:
            return getattr(registry, name)

        def erase(self, traces: Any) -> None:
            registry.erase(list(traces)[:3])
            raise TryAgain("S3 cannot be reached")

    store: Any = Away()
    with pytest.raises(TryAgain):
        revocation.revoke(store, "anna", why="she asked", by="ben", artifacts=artifacts)
    with pytest.raises(InputError, match="revoked"):
        pull(registry, "anna", three[0], Path("nowhere"))
    done = revocation.revoke(registry, "anna", why="to finish it", by="zoe", artifacts=artifacts)
    assert done.after == () and done.tombstone["by"] == "ben" and done.tombstone["finished"]
    assert list(registry.traces("anna/")) == []


def test_who_goes_on_writing_is_named(registry: Store, artifacts: Store) -> None:
    class Busy:
        """Artifacts that a run goes on making."""

        def __getattr__(self, name: str) -> Any:
            return getattr(artifacts, name)

        def erase(self, traces: Any) -> None:
            artifacts.erase(traces)
            artifacts.write("voices/anna/clone-voice-1/train-gpt/state/checkpoint.pt", b"more")

    store: Any = Busy()
    with pytest.raises(TryAgain, match=r"1 objects of anna .*checkpoint\.pt .*stop the speaker's runs"):
        revocation.revoke(registry, "anna", why="she asked", by="ben", artifacts=store)


def test_in_a_bucket_that_keeps_versions_no_version_stays(bucket: str, tmp_path: Path) -> None:
    client: Any = s3.client()
    try:
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    except client.exceptions.ClientError as error:
        pytest.skip(f"this server keeps no versions ({error})")
    registry = open_store(f"s3://{bucket}/registry")
    version = publish(make_voice(tmp_path / "voice"), registry).version
    registry.delete(f"anna/{version}/reference.wav")
    client.create_multipart_upload(Bucket=bucket, Key="registry/anna/0011/weights")
    done = revocation.revoke(registry, "anna", why="she asked", by="ben")
    assert {trace.kind for _, trace in done.before} == {
        "object",
        "earlier version",
        "delete marker",
        "unfinished upload",
    }
    left = client.list_object_versions(Bucket=bucket, Prefix="registry/anna/")
    assert "Versions" not in left and "DeleteMarkers" not in left
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
    open_store(f"s3://{bucket}").erase(list(open_store(f"s3://{bucket}").traces()))


def test_what_batches_keep_of_a_speaker_goes_too(registry: Store, artifacts: Store) -> None:
    for batch in ("heroes", "night"):
        for speaker in ("anna", "annabel"):
            artifacts.write(f"batches/{batch}/speakers/{speaker}.json", b"{}")
    revocation.revoke(registry, "anna", why="asked", by="ben", artifacts=artifacts)
    left = {key for key in keys(artifacts) if key.startswith("batches/")}
    assert left == {f"batches/{batch}/speakers/annabel.json" for batch in ("heroes", "night")}
