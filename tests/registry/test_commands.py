"""`voicemill voices` on a registry: what it prints and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.registry.conftest import make_voice
from voicemill.registry import publish
from voicemill.storage import open_store

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def voices(voicemill: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`voicemill voices` with a registry in a folder that holds three versions of anna, by whom it is acted."""
    monkeypatch.setenv("VOICEMILL_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setenv("VOICEMILL_USER", "ben")
    store = open_store(tmp_path / "registry")
    for name, rate in (("one", 0.3), ("second", 0.2)):
        publish(make_voice(tmp_path / name, name, error_rate=rate), store)
    return lambda *words: voicemill("voices", *words)


def listed(voices: Callable[..., int], capsys: Capture) -> list[dict]:
    capsys.readouterr()
    assert voices("list", "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_list_and_show_tell_where_a_voice_comes_from(voices: Callable[..., int], capsys: Capture) -> None:
    first, second = (row["version"] for row in listed(voices, capsys))
    assert voices("promote", f"anna@{first}", "--why", "it sounds best") == 0
    assert voices("list") == 0
    table = capsys.readouterr().out
    assert all(word in table for word in (first, second, "latest", "prod", "0.300", "v2", "yes"))
    assert voices("show", "anna@prod") == 0
    shown = capsys.readouterr().out
    for words in ("Agreed.", "dataset: digest of one", "epochs: 15", "learning_rate: 0.01", "signed: no", "e8"):
        assert words in shown
    assert f"{first} by ben: it sounds best" in shown
    assert voices("show", "anna", "--json") == 0
    assert json.loads(capsys.readouterr().out)["lineage"]["data"] == {"dataset": "digest of second"}


def test_diff_shows_parameters_data_and_metrics_that_differ_and_no_others(
    voices: Callable[..., int], capsys: Capture
) -> None:
    first, second = (row["version"] for row in listed(voices, capsys))
    assert voices("diff", f"anna@{first}", f"anna@{second}", "--json") == 0
    rows = {(row["section"], row["name"]): row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == {("parameters", "sovits.epochs"), ("data", "dataset"), ("metrics", "error_rate")}
    assert rows["metrics", "error_rate"]["change"] == "-0.1"
    assert voices("diff", "anna", "anna") == 0
    assert "are identical" in capsys.readouterr().out


def test_promote_rollback_and_delete_tell_what_they_did(voices: Callable[..., int], capsys: Capture) -> None:
    first, second = (row["version"] for row in listed(voices, capsys))
    assert voices("promote", f"anna@{first[:8]}") == 0
    assert voices("promote", "anna") == 0
    assert f"prod of anna is {second}, was {first}" in capsys.readouterr().out
    assert voices("delete", f"anna@{second}") == 65
    assert voices("rollback", "anna") == 0
    assert f"prod of anna is {first} again" in capsys.readouterr().out
    assert voices("delete", "anna@latest") == 64
    assert voices("delete", f"anna@{second}") == 0
    assert [row["version"] for row in listed(voices, capsys)] == [first]
    assert voices("promote", f"anna@{first}", "--as", "latest") == 64
    assert voices("rollback", "anna", "--as", "test") == 65
    assert voices("show", "nobody") == 65


def test_a_voice_is_signed_required_to_be_and_pulled(
    voices: Callable[..., int], capsys: Capture, tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    private, public = keys
    assert voices("policy", "--require-consent", "--require-signature", public) == 0
    assert "BEGIN PUBLIC KEY" in capsys.readouterr().out
    assert voices("pull", "anna", "--out", tmp_path / "back") == 65
    assert "not signed" in capsys.readouterr().err and not (tmp_path / "back").exists()
    assert voices("sign", "anna", "--key", private) == 0
    assert voices("pull", "anna", "--out", tmp_path / "back") == 0
    assert voices("verify", tmp_path / "back", "--key", public) == 0
    assert voices("verify", "anna", "--key", public) == 0
    assert voices("sign", tmp_path / "one", "--key", private) == 0
    assert voices("publish", tmp_path / "one") == 0
    assert voices("policy", "--no-signature", "--no-require-consent") == 0
    assert "signature: not required" in capsys.readouterr().out


def test_revoke_lists_before_and_after_and_leaves_a_report(
    voices: Callable[..., int], capsys: Capture, tmp_path: Path
) -> None:
    store = open_store(tmp_path / "artifacts")
    store.write("voices/anna/run-1/slice/clips/a.wav", b"x")
    where = ("--artifacts", tmp_path / "artifacts", "--why", "she asked")
    assert voices("revoke", "anna", *where, "--dry-run") == 0
    assert "before: 16 objects" in capsys.readouterr().out and len(listed(voices, capsys)) == 2
    assert voices("revoke", "anna", *where, "--yes", "--report", tmp_path / "report.json") == 0
    said = capsys.readouterr().out
    assert "voices/anna/run-1/slice/clips/a.wav" in said and "after: 0 objects" in said
    report = json.loads((tmp_path / "report.json").read_text())
    assert len(report["before"]) == 16 and report["after"] == [] and report["tombstone"]["by"] == "ben"
    assert listed(voices, capsys) == [] and not (tmp_path / "artifacts" / "voices").exists()
    assert voices("publish", tmp_path / "one") == 65
    assert "revoked by ben" in capsys.readouterr().err


def test_collect_removes_what_was_left(voices: Callable[..., int], capsys: Capture, tmp_path: Path) -> None:
    open_store(tmp_path / "registry").write("anna/00112233445566aa/gpt.safetensors", b"half")
    assert voices("collect") == 0
    assert "0 objects" in capsys.readouterr().out
    assert voices("collect", "--older-than", "0", "--dry-run") == 0
    assert "would be removed" in capsys.readouterr().out
    assert voices("collect", "--older-than", "0") == 0
    assert "1 objects, 4 bytes removed" in capsys.readouterr().out
