"""Where models lie, and that the catalogue puts them there."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from voicemill.core.errors import MissingModelError
from voicemill.models import catalogue, layout, locate, record
from voicemill.storage import open_store

SHARED = ("g2pw", "separation", "whisper", "sensevoice", "paraformer", "speaker-encoder")
PLACES = [(name, version) for version in layout.VERSIONS for name in (*layout.base_names(version), "hubert", "bert")]


@pytest.mark.parametrize(("name", "version"), [*PLACES, *((name, "v2") for name in SHARED)])
def test_catalogue_holds_every_model_at_its_place(name: str, version: str) -> None:
    place = layout.place(name, version)
    words = [name] if name in SHARED else [version]
    paths = [file.path for model in catalogue.select(words) for file in model.files]
    assert any(path == place or path.startswith(f"{place}/") for path in paths)


def test_locate_finds_files_and_folders_of_a_pretrained_models_folder(tmp_path: Path) -> None:
    (tmp_path / "chinese-hubert-base").mkdir()
    (tmp_path / "chinese-hubert-base" / "config.json").write_text("{}")
    (tmp_path / "v2Pro").mkdir()
    (tmp_path / "v2Pro" / "s2Gv2ProPlus.pth").write_bytes(b"x")
    assert locate(tmp_path, "hubert") == tmp_path / "chinese-hubert-base"
    assert locate(tmp_path, "sovits-g", "v2ProPlus").name == "s2Gv2ProPlus.pth"


def test_missing_model_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "whisper").mkdir()
    with pytest.raises(MissingModelError, match=r"whisper is missing .*voicemill models pull .* whisper"):
        locate(tmp_path, "whisper")
    with pytest.raises(MissingModelError, match=r"s2G2333k\.pth is missing .*sovits-g of v2.*pull .* v2`"):
        locate(tmp_path, "sovits-g")
    with pytest.raises(MissingModelError, match="does not exist"):
        locate(tmp_path / "nowhere", "bert")


def test_catalogue_states_licences_sources_and_whole_hashes() -> None:
    for model in catalogue.models():
        assert model.licence and model.files
        for file in model.files:
            assert (file.hub is None) != (file.url is None)
            assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32


def test_model_is_fetched_from_s3_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from voicemill.storage import s3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        environment = {"S3_ENDPOINT": address, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        for key, value in {**environment, "AWS_DEFAULT_REGION": "us-east-1", "VOICEMILL_CACHE": str(tmp_path)}.items():
            monkeypatch.setenv(key, value)
        s3.client.cache_clear()
        client = boto3.client("s3", endpoint_url=address)
        client.create_bucket(Bucket="models")
        for key in ("v2/whisper/model.bin", "v2/whisper/config.json", f"v2/{layout.V2_GPT}", "v2/s1v3.ckpt"):
            client.put_object(Bucket="models", Key=key, Body=key.encode())
        whisper = locate("s3://models/v2", "whisper")
        assert {path.name for path in whisper.iterdir()} == {"model.bin", "config.json"}
        assert locate("s3://models/v2/", "gpt").read_text() == f"v2/{layout.V2_GPT}"
        assert not list(tmp_path.rglob("s1v3.ckpt"))
        with pytest.raises(MissingModelError, match="separation is missing at s3://models/v2"):
            locate("s3://models/v2", "separation")
    finally:
        server.stop()
        s3.client.cache_clear()


def test_of_models_in_s3_only_those_that_are_used_are_brought(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEMILL_CACHE", str(tmp_path / "cache"))
    place_of = layout.place
    store = open_store(f"s3://{bucket}/models")
    for name in ("sovits-g", "sovits-d", "gpt"):
        store.write(place_of(name, "v2Pro"), name.encode())
    store.write(f"{place_of('whisper')}/model.bin", b"whisper")
    store.write(record.NAME, b"{}")
    folder = layout.resolve_local(f"s3://{bucket}/models/")
    assert layout.best_version(folder) == "v2", "v2Pro needs a speaker encoder too"
    store.write(place_of("speaker-encoder"), b"encoder")
    assert layout.best_version(folder) == "v2Pro"
    assert record.read(folder) == {}
    assert locate(folder, "gpt", "v2Pro").read_bytes() == b"gpt"
    assert [path.name for path in locate(folder, "whisper").iterdir()] == ["model.bin"]
    brought = {path.read_bytes() for path in (tmp_path / "cache" / "s3").glob("*/content/**/*") if path.is_file()}
    assert brought == {b"gpt", b"whisper", b"{}"}
    store.write(place_of("gpt", "v2Pro"), b"another")
    assert locate(folder, "gpt", "v2Pro").read_bytes() == b"another"
    with pytest.raises(MissingModelError, match="chinese-hubert-base is missing at s3://"):
        locate(folder, "hubert")
    with pytest.raises(MissingModelError, match="voicemill submit prepare-models"):
        layout.resolve_local(f"s3://{bucket}/nothing")


def test_pods_of_a_node_share_the_models_that_they_fetched(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pods that fetch the same model at once take turns, and the second finds it there."""
    node = tmp_path / "node"
    node.mkdir()
    monkeypatch.setenv(layout.SHARED_CACHE, str(node))
    store = open_store(f"s3://{bucket}/models")
    store.write("whisper/model.bin", bytes(3_000_000))
    with ThreadPoolExecutor() as pods:
        found = {each.result() for each in [pods.submit(locate, f"s3://{bucket}/models", "whisper") for _ in range(4)]}
    (folder,) = found
    assert folder.is_relative_to(node) and (folder / "model.bin").stat().st_size == 3_000_000
    inode = (folder / "model.bin").stat().st_ino
    monkeypatch.setenv("VOICEMILL_CACHE", str(tmp_path / "pod"))
    assert (locate(f"s3://{bucket}/models", "whisper") / "model.bin").stat().st_ino == inode, "not fetched again"
    store.write("whisper/model.bin", bytes(3_000_001))
    assert (locate(f"s3://{bucket}/models", "whisper") / "model.bin").stat().st_size == 3_000_001


def test_a_shared_cache_that_cannot_be_written_is_done_without(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(layout.SHARED_CACHE, str(tmp_path / "not-there"))
    monkeypatch.setenv("VOICEMILL_CACHE", str(tmp_path / "pod"))
    open_store(f"s3://{bucket}/models").write("whisper/model.bin", b"x")
    assert locate(f"s3://{bucket}/models", "whisper").is_relative_to(tmp_path / "pod")
