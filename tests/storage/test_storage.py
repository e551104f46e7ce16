"""Both kinds of store keep the same promises; S3 is served by moto and, where there is one, by a real server."""

from __future__ import annotations

import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from voicemill.core.errors import InputError, TryAgain, Unavailable
from voicemill.storage import Conflict, Store, fetch, fingerprint, open_store
from voicemill.storage import s3 as s3_module


@pytest.fixture
def store(place: str) -> Store:
    return open_store(place)


def test_what_is_uploaded_is_listed_and_downloaded(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "翠 song.wav"
    source.write_bytes(b"RIFF")
    store.upload(source, "audio/翠 song.wav")
    assert [(entry.key, entry.size) for entry in store.list("audio/")] == [("audio/翠 song.wav", 4)]
    assert list(store.list("other/")) == []
    store.download("audio/翠 song.wav", tmp_path / "back" / "a.wav")
    assert (tmp_path / "back" / "a.wav").read_bytes() == b"RIFF"


def test_folders_are_those_right_below(store: Store) -> None:
    for key in ("anna/one/a.wav", "anna/two/b.wav", "berta/c.wav", "d.wav"):
        store.write(key, b"x")
    assert list(store.folders()) == ["anna", "berta"]
    assert list(store.folders("anna/")) == ["one", "two"]
    assert list(store.folders("clara/")) == []


def test_nothing_is_uploaded_twice(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "a.wav"
    source.write_bytes(b"one")
    assert store.upload(source, "a.wav")
    assert not store.upload(source, "a.wav")
    source.write_bytes(b"two")
    assert store.upload(source, "a.wav")
    assert store.read("a.wav")[0] == b"two"


def test_of_two_writers_one_wins_and_the_other_is_told(store: Store) -> None:
    tag = store.write("alias", b"v1", only_if_absent=True)
    with pytest.raises(Conflict):
        store.write("alias", b"v2", only_if_absent=True)
    store.write("alias", b"v2", replaces=tag)
    with pytest.raises(Conflict):
        store.write("alias", b"v3", replaces=tag)
    assert store.read("alias")[0] == b"v2"


def test_a_missing_object_is_an_input_error_naming_it(store: Store, tmp_path: Path) -> None:
    assert store.find("nothing") is None
    with pytest.raises(InputError, match="nothing"):
        store.read("nothing")
    with pytest.raises(InputError, match="nothing"):
        store.download("nothing", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_large_files_go_in_parts_and_arrive_whole(bucket: str, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(os.urandom(40 * 2**20))
    store = open_store(f"s3://{bucket}/models")
    assert store.upload(source, "model.bin")
    found = store.find("model.bin")
    assert found and found.tag.endswith("-3"), "an ETag of three parts"
    assert not store.upload(source, "model.bin")
    store.download("model.bin", tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == source.read_bytes()


def test_fetch_of_a_prefix_gives_its_folder_and_brings_only_what_changed(bucket: str, tmp_path: Path) -> None:
    store = open_store(f"s3://{bucket}/data/lj")
    for name in ("a.wav", "sub dir/b.wav", "c.wav"):
        store.write(name, name.encode())
    folder = fetch(f"s3://{bucket}/data/lj", tmp_path)
    assert (folder / "sub dir" / "b.wav").read_bytes() == b"sub dir/b.wav"
    untouched = (folder / "a.wav").stat().st_mtime_ns
    store.write("c.wav", b"other")
    store.delete("sub dir/b.wav")
    folder = fetch(f"s3://{bucket}/data/lj", tmp_path)
    assert sorted(path.name for path in folder.rglob("*.wav")) == ["a.wav", "c.wav"]
    assert (folder / "c.wav").read_bytes() == b"other"
    assert (folder / "a.wav").stat().st_mtime_ns == untouched


def test_fetch_of_one_object_gives_its_file(bucket: str, tmp_path: Path) -> None:
    open_store(f"s3://{bucket}/data").write("labels.list", b"a|b|EN|c")
    assert fetch(f"s3://{bucket}/data/labels.list", tmp_path).read_bytes() == b"a|b|EN|c"


def test_fetch_of_nothing_is_an_input_error(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"nothing found at s3://{bucket}/none"):
        fetch(f"s3://{bucket}/none", tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        fetch(tmp_path / "none")
    with pytest.raises(InputError, match="bucket"):
        fetch("s3:///x", tmp_path)


def test_a_missing_bucket_is_the_users_to_mend(bucket: str) -> None:
    with pytest.raises(InputError):
        list(open_store("s3://no-such-bucket/x").list())


def test_s3_away_says_try_again(monkeypatch: pytest.MonkeyPatch, bucket: str, tmp_path: Path) -> None:
    monkeypatch.setenv("S3_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3_module.client.cache_clear()
    store = open_store(f"s3://{bucket}/x")
    (tmp_path / "a").write_bytes(b"a")
    for attempt in (lambda: list(store.list()), lambda: store.upload(tmp_path / "a", "a"), lambda: store.read("a")):
        with pytest.raises(TryAgain) as caught:
            attempt()
        assert caught.value.exit_code == 75


@pytest.mark.parametrize(("status", "code", "error"), [(503, "SlowDown", TryAgain), (403, "AccessDenied", Unavailable)])
def test_an_overloaded_server_is_tried_again_and_a_refusal_is_not(
    monkeypatch: pytest.MonkeyPatch, bucket: str, status: int, code: str, error: type[Exception]
) -> None:
    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("S3_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        s3_module.client.cache_clear()
        with pytest.raises(error):
            open_store(f"s3://{bucket}/x").read("a")
        server.shutdown()


def test_an_object_key_cannot_lead_out_of_the_folder(bucket: str, tmp_path: Path) -> None:
    client: Any = s3_module.client()
    try:
        client.put_object(Bucket=bucket, Key="evil/../../x", Body=b"x")
    except client.exceptions.ClientError as error:
        pytest.skip(f"this server takes no such key ({error})")
    with pytest.raises(InputError, match="is refused"):
        fetch(f"s3://{bucket}/evil", tmp_path)
    with pytest.raises(InputError, match="is refused"):
        open_store(tmp_path / "store").write("../x", b"x")


def test_the_fingerprint_follows_content_and_names_only(bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_bytes(b"1")
    before = fingerprint(folder)
    os.utime(folder / "a", (0, 0))
    assert fingerprint(folder) == before
    (folder / "a").rename(folder / "b")
    assert fingerprint(folder) != before
    store = open_store(f"s3://{bucket}/data")
    store.write("a", b"1")
    remote = fingerprint(f"s3://{bucket}/data")
    store.write("a", b"2")
    assert fingerprint(f"s3://{bucket}/data") != remote


def test_what_is_erased_leaves_no_trace(store: Store, tmp_path: Path) -> None:
    for key in ("anna/a", "anna/deep/b", "annabel/c"):
        store.write(key, b"content")
    (tmp_path / "d").write_bytes(b"file")
    store.upload(tmp_path / "d", "anna/d")
    traces = list(store.traces("anna/"))
    assert [(trace.key, trace.kind) for trace in traces] == [
        ("anna/a", "object"),
        ("anna/d", "object"),
        ("anna/deep/b", "object"),
    ]
    assert sum(trace.size for trace in traces) == 18
    store.erase(traces)
    store.erase(traces)
    assert list(store.traces("anna/")) == [] and [entry.key for entry in store.list()] == ["annabel/c"]


def test_earlier_versions_and_unfinished_uploads_are_erased_too(bucket: str) -> None:
    client: Any = s3_module.client()
    store = open_store(f"s3://{bucket}/registry")
    versioning = {"Bucket": bucket, "VersioningConfiguration": {"Status": "Enabled"}}
    try:
        client.put_bucket_versioning(**versioning)
    except client.exceptions.ClientError as error:
        pytest.skip(f"this server keeps no versions ({error})")
    for content in (b"one", b"two"):
        store.write("anna/card", content)
    store.write("anna/gone", b"x")
    store.delete("anna/gone")
    client.create_multipart_upload(Bucket=bucket, Key="registry/anna/weights")
    assert [entry.key for entry in store.list("anna/")] == ["anna/card"]
    kinds = [(trace.key, trace.kind) for trace in store.traces("anna/")]
    assert sorted(kinds) == [
        ("anna/card", "earlier version"),
        ("anna/card", "object"),
        ("anna/gone", "delete marker"),
        ("anna/gone", "earlier version"),
        ("anna/weights", "unfinished upload"),
    ]
    store.erase(store.traces("anna/"))
    assert list(store.traces()) == []


def test_a_bucket_that_locks_versions_takes_everything_and_says_what_it_does_not_give_up(bucket: str) -> None:
    client: Any = s3_module.client()
    locked = f"{bucket}-locked"
    try:
        client.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
        versions = client.get_bucket_versioning(Bucket=locked).get("Status")
    except client.exceptions.ClientError as error:
        pytest.skip(f"this server locks no versions ({error})")
    if versions != "Enabled":
        pytest.skip("this server locks objects without keeping versions, so that nothing can be written twice")
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    client.put_object_lock_configuration(
        Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    store = open_store(f"s3://{locked}/runs")
    tag = store.write("anna/index", b"one", only_if_absent=True)
    with pytest.raises(Conflict):
        store.write("anna/index", b"two", only_if_absent=True)
    store.write("anna/index", b"two", replaces=tag)
    store.write("anna/file", b"x")
    store.delete("anna/file")
    assert [entry.key for entry in store.list()] == ["anna/index"] and store.read("anna/index")[0] == b"two"
    with pytest.raises(Unavailable, match="did not delete"):
        store.erase(store.traces("anna/"))


def test_what_a_killed_writer_left_in_a_folder_is_a_trace(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write("anna/a", b"x")
    (tmp_path / "anna" / ".gpt.safetensors.12345678.partial").write_bytes(b"half")
    assert [entry.key for entry in store.list()] == ["anna/a"]
    assert [trace.kind for trace in store.traces()] == ["unfinished upload", "object"]
    store.erase(list(store.traces()))
    assert not (tmp_path / "anna").exists()


def test_links_and_empty_folders_are_traces_too(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    store.write("anna/publish/voice/card", b"x")
    anna = tmp_path / "store" / "anna"
    (anna / "empty" / "inner").mkdir(parents=True)
    (anna / "voice").symlink_to("publish/voice")
    (anna / "out").symlink_to(tmp_path)
    assert [trace.key for trace in store.traces("anna/")] == [
        "anna/empty/inner",
        "anna/out",
        "anna/publish/voice/card",
        "anna/voice",
    ]
    store.erase(list(store.traces("anna/")))
    assert not anna.exists() and tmp_path.is_dir()
