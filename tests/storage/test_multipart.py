"""Large files that arrive although the one who sends them dies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from voicemill.cluster import uploads
from voicemill.core.digests import file_digest
from voicemill.storage import open_store
from voicemill.storage.s3 import S3Store

MEGABYTE = 2**20

# Dies, as by kill -9, when the first part has arrived.
DYING = """
import os, sys
from pathlib import Path
from voicemill.storage.s3 import S3Store
arrived = []
def sent(count):
    arrived.append(count)
    if arrived:
        os._exit(9)
S3Store(sys.argv[1]).upload(Path(sys.argv[2]), sys.argv[3], sent)
"""


class Counted:
    def __init__(self) -> None:
        self.size = self.sent = 0

    def begin(self, name: str, size: int) -> None:
        self.size += size

    def advance(self, count: int) -> None:
        self.sent += count


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "recording.wav"
    path.write_bytes(os.urandom(100 * MEGABYTE))
    return path


class Counting(S3Store):
    """A store that counts the parts that it sends."""

    def __init__(self, bucket: str) -> None:
        super().__init__(bucket)
        self.parts: list[int] = []
        name = "provide-client-params.s3.UploadPart"
        self._client.meta.events.register(name, lambda params, **_: self.parts.append(params["PartNumber"]))


def test_an_upload_that_died_is_gone_on_with_by_another_process(bucket: str, recording: Path) -> None:
    digest = file_digest(recording)
    died = subprocess.run([sys.executable, "-c", DYING, bucket, str(recording), digest])
    assert died.returncode == 9 and S3Store(bucket).find(digest) is None
    counted, store = Counted(), Counting(bucket)
    assert store.upload(recording, digest, counted.advance)
    assert 0 < len(store.parts) <= 6, "of seven parts, one at least was there"
    assert counted.sent == recording.stat().st_size
    assert S3Store(bucket).read(digest)[0] == recording.read_bytes()
    assert not S3Store(bucket).upload(recording, digest)


def test_a_key_that_does_not_name_its_content_is_begun_anew(bucket: str, recording: Path) -> None:
    subprocess.run([sys.executable, "-c", DYING, bucket, str(recording), "model.bin"])
    store = Counting(bucket)
    assert store.upload(recording, "model.bin") and sorted(store.parts) == [1, 2, 3, 4, 5, 6, 7]
    assert store.holds("model.bin", file_digest(recording), recording.stat().st_size)


def test_a_folder_is_kept_by_its_listing_and_its_files_by_their_content(bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "anna"
    for name in ("one.wav", "deep/two.wav", ".DS_Store", ".git/config"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    counted = Counted()
    first = uploads.upload(folder, bucket, counted)
    assert (first.files, first.sent) == (2, 2) and counted.sent == counted.size > 0
    assert [entry.key for entry in open_store(first.address).list()] == ["deep/two.wav", "one.wav"]
    (folder / "one.wav").rename(folder / "three.wav")
    renamed = uploads.upload(folder, bucket, Counted())
    assert renamed.address != first.address
    assert [entry.key for entry in open_store(renamed.address).list()] == ["deep/two.wav", "three.wav"]
    single = uploads.upload(folder / "deep" / "two.wav", bucket, Counted())
    assert single.sent == 0 and open_store(single.address.rpartition("/")[0]).read("two.wav")[0] == b"deep/two.wav"
