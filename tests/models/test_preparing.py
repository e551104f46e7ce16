"""Models on their way to a bucket or a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.models.hub_server import Hub
from tests.models.test_pulling import CONTENT, hub
from voicemill.core.errors import InputError
from voicemill.models import checking, locate, record
from voicemill.models.toy import make_all
from voicemill.stages.prepare_models import prepare_models
from voicemill.storage import fetch, open_store

__all__ = ["hub"]
WHISPER = {f"whisper/{name}" for name in CONTENT}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy") / "models"
    make_all(folder)
    return folder


def keys(place: str) -> set[str]:
    return {entry.key for entry in open_store(place).list()} - {record.NAME}


def test_models_are_brought_from_the_hub_once(hub: Hub, place: str) -> None:
    ledger = prepare_models(destination=place, models="whisper-small")
    assert keys(place) == WHISPER and ledger.summary()["bytes"] == sum(map(len, CONTENT.values()))
    hub.requests.clear()
    again = prepare_models(destination=place, models="whisper-small")
    assert not hub.bodies() and again.entries[0]["brought"] == 0 and again.kept == 1


def test_a_file_that_went_missing_in_the_bucket_is_brought_again(hub: Hub, bucket: str) -> None:
    place = f"s3://{bucket}/models"
    prepare_models(destination=place, models="whisper-small")
    open_store(place).delete("whisper/model.bin")
    ledger = prepare_models(destination=place, models="whisper-small")
    assert keys(place) == WHISPER and ledger.entries[0]["brought"] == 1


def test_a_folder_of_models_is_copied_with_its_record_and_can_be_used(toy: Path, place: str, tmp_path: Path) -> None:
    ledger = prepare_models(destination=place, source=str(toy))
    assert keys(place) == set(record.read(toy))
    assert {entry["item"] for entry in ledger.entries} >= {"hubert", "whisper", "separation"}
    copied = fetch(place, tmp_path)
    assert all(finding.state == "ok" for finding in checking.verify(copied, []))
    assert locate(place, "gpt").read_bytes() == locate(toy, "gpt").read_bytes()


def test_two_preparations_leave_one_record_of_both(hub: Hub, toy: Path, bucket: str) -> None:
    place = f"s3://{bucket}/models"
    prepare_models(destination=place, source=str(toy))
    recorded = json.loads(open_store(place).read(record.NAME)[0])
    assert set(recorded) == keys(place)


def test_a_damaged_model_is_named_and_the_others_are_brought(toy: Path, tmp_path: Path) -> None:
    source = tmp_path / "damaged"
    for path in (path for path in toy.rglob("*") if path.is_file()):
        target = source / path.relative_to(toy)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes() + (b"x" if path.name == "s2G2333k.pth" else b""))
    with pytest.raises(InputError, match="1 of .* models are not in"):
        prepare_models(destination=str(tmp_path / "models"), source=str(source))
    there = keys(str(tmp_path / "models"))
    assert len(there) > 10 and not any("s2G2333k" in key for key in there)


def test_what_cannot_be_had_is_an_input_error(hub: Hub, place: str) -> None:
    hub.repositories.clear()
    with pytest.raises(InputError, match="1 of 1 models are not in"):
        prepare_models(destination=place, models="whisper-small")
