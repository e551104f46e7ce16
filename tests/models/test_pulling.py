"""Pulling models from a server that speaks the hub's protocol."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.models.hub_server import COMMIT, Hub, serving
from voicemill.cli.models import app
from voicemill.core.digests import content_digest
from voicemill.core.errors import InputError, MissingModelError, NoSpace, TryAgain, UsageError
from voicemill.models import catalogue, checking, locate, pulling
from voicemill.models.catalogue import Model, RemoteFile

REPOSITORY = "Systran/faster-whisper-small"
CONTENT = {
    "config.json": b'{"alignment_heads": []}\n',
    "model.bin": random.Random(0).randbytes(3_000_000),
    "tokenizer.json": b'{"version": "1.0"}\n',
    "vocabulary.txt": b"a\nb\n",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    with serving(Hub(repositories={REPOSITORY: dict(CONTENT)})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("VOICEMILL_GITHUB", hub.url)
        everything = (*(model for model in catalogue.models() if model.name != "whisper-small"), *small_whisper())
        monkeypatch.setattr(catalogue, "models", lambda: everything)
        yield hub


def small_whisper() -> list[Model]:
    """The catalogue's small Whisper with the content that is served here, so without the revision and hashes of it."""
    files = tuple(RemoteFile(f"whisper/{name}", hub=(REPOSITORY, name)) for name in CONTENT)
    return [replace(*catalogue.select(["whisper-small"]), files=files)]


def model_of(*files: RemoteFile) -> list[Model]:
    return [Model("tested", "", "", (), files, True)]


def states(folder: Path, models: list[Model]) -> dict[str, str]:
    return {Path(finding.file.path).name: finding.state for finding in checking.verify(folder, models)}


def test_pull_puts_a_model_in_its_place_and_verify_finds_it_whole(hub: Hub, tmp_path: Path) -> None:
    assert pulling.pull(tmp_path, small_whisper()) == 4
    assert {path.name: path.read_bytes() for path in locate(tmp_path, "whisper").iterdir()} == CONTENT
    assert set(states(tmp_path, small_whisper()).values()) == {"ok"}
    assert not (tmp_path / pulling.PARTIAL).exists()
    assert f"GET /{REPOSITORY}/resolve/{COMMIT}/config.json" in hub.requests


def test_second_pull_downloads_nothing(hub: Hub, tmp_path: Path) -> None:
    pulling.pull(tmp_path, small_whisper())
    hub.requests.clear()
    assert pulling.pull(tmp_path, small_whisper()) == 0
    assert not hub.bodies()


def test_files_put_there_by_other_means_are_recognised(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "model.bin").write_bytes(CONTENT["model.bin"])
    (tmp_path / "whisper" / "config.json").write_bytes(CONTENT["config.json"])
    assert pulling.pull(tmp_path, small_whisper()) == 2
    assert set(states(tmp_path, small_whisper()).values()) == {"ok"}


def test_pull_that_was_killed_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.stop_after = 2_000_000
    command = "from pathlib import Path; from voicemill.models import pulling; from tests.models import test_pulling;"
    command += f"pulling.pull(Path({str(tmp_path)!r}), test_pulling.small_whisper())"
    process = subprocess.Popen([sys.executable, "-c", command], env=os.environ.copy())
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 1_000_000 for path in tmp_path.glob(f"{pulling.PARTIAL}/*")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "whisper" / "model.bin").exists()
    begun = max(path.stat().st_size for path in tmp_path.glob(f"{pulling.PARTIAL}/*"))
    hub.stop_after = None
    hub.resume.set()
    hub.requests.clear()
    pulling.pull(tmp_path, small_whisper())
    assert (tmp_path / "whisper" / "model.bin").read_bytes() == CONTENT["model.bin"]
    taken_up = f"GET /cdn/large/{REPOSITORY}/model.bin bytes={begun}-"
    assert taken_up in hub.requests


def test_broken_connection_is_taken_up_again_within_one_pull(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after = 1_000_000
    pulling.pull(tmp_path, small_whisper())
    assert (tmp_path / "whisper" / "model.bin").read_bytes() == CONTENT["model.bin"]
    taken_up = [
        int(request.split("bytes=")[1][:-1]) for request in hub.bodies() if "/cdn/" in request and "=" in request
    ]
    assert len(taken_up) == 1 and taken_up[0] > 900_000


@pytest.mark.parametrize("name", ["model.bin", "config.json"])
def test_content_that_is_not_what_the_hub_names_is_refused(hub: Hub, tmp_path: Path, name: str) -> None:
    hub.altered.add(name)
    with pytest.raises(InputError, match=f"{name} does not match the expected file"):
        pulling.pull(tmp_path, small_whisper())
    assert not (tmp_path / "whisper" / name).exists()
    hub.altered.clear()
    pulling.pull(tmp_path, small_whisper())
    assert (tmp_path / "whisper" / name).read_bytes() == CONTENT[name]


def test_hash_of_the_catalogue_is_held_against_github_files(hub: Hub, tmp_path: Path) -> None:
    hub.files["TRvlvr/list.json"] = b"{}"
    url = "https://github.com/TRvlvr/list.json"
    wrong = RemoteFile("separation/list.json", url=url, sha256="0" * 64)
    with pytest.raises(InputError, match="SHA-256"):
        pulling.pull(tmp_path, model_of(wrong))
    right = RemoteFile("separation/list.json", url=url, size=2, sha256=content_digest(b"{}"))
    assert pulling.pull(tmp_path, model_of(right)) == 1
    assert (tmp_path / "separation" / "list.json").read_bytes() == b"{}"


def test_vr_weights_that_their_index_does_not_know_are_refused(hub: Hub, tmp_path: Path) -> None:
    weights = random.Random(1).randbytes(50_000)
    known = hashlib.md5(weights).hexdigest()
    hub.files |= {"index.json": json.dumps({known: {}}).encode(), "net.pth": weights}
    index = RemoteFile("separation/index.json", url="https://github.com/index.json")
    net = RemoteFile("separation/net.pth", url="https://github.com/net.pth", known_to="separation/index.json")
    assert pulling.pull(tmp_path, model_of(index, net)) == 2
    hub.files["net.pth"] = weights[:-1] + b"?"
    with pytest.raises(InputError, match="not in separation/index.json"):
        pulling.pull(tmp_path / "other", model_of(index, net))


def test_missing_file_names_its_source_and_the_token(hub: Hub, tmp_path: Path) -> None:
    del hub.repositories[REPOSITORY]["tokenizer.json"]
    with pytest.raises(InputError, match=rf"{REPOSITORY}/tokenizer.json cannot be downloaded .*HF_TOKEN"):
        pulling.pull(tmp_path, small_whisper())


def test_unreachable_server_may_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("VOICEMILL_GITHUB", "http://127.0.0.1:9")
    with pytest.raises(TryAgain, match="VOICEMILL_GITHUB"):
        pulling.pull(tmp_path, model_of(RemoteFile("x", url="https://github.com/x")))


def test_full_disk_is_told_before_anything_is_downloaded(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "SPARE_BYTES", 10**18)
    with pytest.raises(NoSpace, match=r"3\.0 MB to download"):
        pulling.pull(tmp_path, small_whisper())
    assert not hub.bodies()


def test_two_pulls_into_one_folder_do_not_mix(hub: Hub, tmp_path: Path) -> None:
    with pulling._alone(tmp_path), pytest.raises(TryAgain, match="another pull"):
        pulling.pull(tmp_path, small_whisper())


def test_a_file_is_asked_for_at_the_revision_of_the_catalogue(hub: Hub, tmp_path: Path) -> None:
    there = RemoteFile("whisper/config.json", hub=(REPOSITORY, "config.json"), revision=COMMIT)
    assert pulling.pull(tmp_path, model_of(there)) == 1
    assert f"HEAD /{REPOSITORY}/resolve/{COMMIT}/config.json" in hub.requests
    with pytest.raises(InputError, match=r"config\.json cannot be downloaded"):
        pulling.pull(tmp_path / "other", model_of(replace(there, revision="0" * 40)))


def test_a_file_that_was_replaced_on_the_hub_is_refused(hub: Hub, tmp_path: Path) -> None:
    """The hub vouches for its own new content; the catalogue knows the old one."""
    known = content_digest(CONTENT["model.bin"])
    file = RemoteFile("whisper/model.bin", hub=(REPOSITORY, "model.bin"), sha256=known)
    assert pulling.pull(tmp_path, model_of(file)) == 1
    hub.repositories[REPOSITORY]["model.bin"] = random.Random(1).randbytes(3_000_000)
    with pytest.raises(InputError, match=f"instead of {known}"):
        pulling.pull(tmp_path / "other", model_of(file))
    assert not (tmp_path / "other" / "whisper" / "model.bin").exists()


def test_every_model_is_pinned_by_revision_and_hash_but_those_whose_hash_nobody_states() -> None:
    files = [file for model in catalogue.models() for file in model.files]
    unstated = {file.path for file in files if file.sha256 is None}
    assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) for file in files if file.sha256)
    assert all(re.fullmatch(r"[0-9a-f]{40}", file.revision or "") for file in files if file.hub and file.sha256)
    networks = {"model_bs_roformer_ep_317_sdr_12.9755.ckpt", "UVR-De-Echo-Normal.pth", "UVR-DeNoise.pth"}
    g2pw = {file.path for model in catalogue.select(["g2pw"]) for file in model.files}
    assert unstated == g2pw | {f"separation/{name}" for name in networks}


def test_the_commands_pull_verify_and_list(hub: Hub, tmp_path: Path) -> None:
    run = CliRunner().invoke
    pulled = run(app, ["pull", str(tmp_path), "whisper-small"])
    assert pulled.exit_code == 0 and "4 files downloaded" in pulled.output
    verified = run(app, ["verify", str(tmp_path), "whisper"], env={"COLUMNS": "200"})
    assert verified.exit_code == 0 and verified.output.count(" ok ") == 4
    (tmp_path / "whisper" / "model.bin").write_bytes(CONTENT["model.bin"][:-1])
    broken = run(app, ["verify", str(tmp_path), "whisper"])
    assert isinstance(broken.exception, InputError) and "whisper/model.bin" in str(broken.exception)
    (tmp_path / "whisper" / "model.bin").unlink()
    gone = run(app, ["verify", str(tmp_path), "whisper"])
    assert isinstance(gone.exception, MissingModelError)
    listed = run(app, ["list"], env={"COLUMNS": "250"})
    assert "lj1995/GPT-SoVITS" in listed.output and "Apache-2.0" in listed.output


def test_hub_client_itself_accepts_the_server(hub: Hub, tmp_path: Path) -> None:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.url)
    assert {sibling.rfilename for sibling in api.model_info(REPOSITORY).siblings or []} == set(CONTENT)
    for name, content in CONTENT.items():
        assert Path(api.hf_hub_download(REPOSITORY, name, local_dir=tmp_path)).read_bytes() == content


def test_unknown_words_are_refused() -> None:
    with pytest.raises(UsageError, match="v2ProPlus"):
        catalogue.select(["v17"])
