"""A second run of a speaker on a real Argo takes over what the first one made from the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.site import FEW, LITTLE, SHORT, SPEAKER, Site, finish, site
from voicemill.storage import open_store

__all__ = ["site"]

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2700)]


def ledger(site: Site, run: str, stage: str) -> list[dict[str, Any]]:
    stored = open_store(f"s3://{site.bucket}/voices/rita/{run}")
    return [json.loads(line) for line in stored.read(f"ledgers/{stage}.jsonl")[0].splitlines()]


def clone(site: Site, source: Path, run: str, **more: str) -> str:
    given = {**SHORT, **LITTLE, "speaker": "rita", "source": str(source), "language": "en", **more}
    pairs = site.pairs({name.replace("_", "-"): value for name, value in given.items()})
    process = site.start("submit", "clone-voice", "--name", run, *pairs, "--wait")
    said = finish(process)
    assert process.returncode == 0, said
    return said


def test_another_text_trains_nothing_and_other_epochs_do(site: Site, tmp_path: Path) -> None:
    for name in FEW:
        shutil.copy(SPEAKER / name, tmp_path)
    clone(site, tmp_path, "rita", text="Good morning.")
    clone(site, tmp_path, "rita-again", text="Good night.")
    for stage in ("separate", "transcribe", "format", "train-sovits", "train-gpt", "evaluate"):
        assert {entry.get("reused_from") for entry in ledger(site, "rita-again", stage)} == {"rita"}, stage
    assert not any("reused_from" in entry for entry in ledger(site, "rita-again", "synthesize"))
    first, second = (
        json.loads(open_store(f"s3://{site.bucket}/voices/rita/{run}/publish/voice").read("voice.json")[0])
        for run in ("rita", "rita-again")
    )
    assert second["sovits"]["sha256"] == first["sovits"]["sha256"]

    clone(site, tmp_path, "rita-longer", text="Good night.", gpt_epochs="2")
    assert {entry.get("reused_from") for entry in ledger(site, "rita-longer", "train-sovits")} == {"rita-again"}
    assert not any("reused_from" in entry for entry in ledger(site, "rita-longer", "train-gpt"))
