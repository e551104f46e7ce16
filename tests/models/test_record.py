"""A models folder's record tells where each model came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicemill.core.errors import InputError
from voicemill.models import catalogue, pulling, record


def put(folder: Path, sources: dict[str, str]) -> None:
    entries = {}
    for path, source in sources.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
        entries[path] = record.describe(folder / path, path.split("/")[0], source)
    record.add(folder, entries)


def test_the_source_of_a_model_is_what_its_files_share(tmp_path: Path) -> None:
    hub = "lj1995/GPT-SoVITS/chinese-hubert-base"
    put(
        tmp_path,
        {
            "hubert/config.json": f"{hub}/config.json",
            "hubert/model.bin": f"{hub}/model.bin",
            "hubert-other/model.bin": record.TOY,
            "gpt.ckpt": "https://example.org/gpt.ckpt",
            "mixed/a": record.TOY,
            "mixed/b": record.BASE,
        },
    )
    assert record.source(tmp_path, "hubert") == hub
    assert record.source(tmp_path, "gpt.ckpt") == "https://example.org/gpt.ckpt"
    assert record.source(tmp_path, "mixed") == "base, toy"
    assert record.source(tmp_path, "whisper") is None


@pytest.mark.parametrize("source", [record.TOY, record.BASE])
def test_public_models_are_not_pulled_among_those_made_here(tmp_path: Path, source: str) -> None:
    put(tmp_path, {"gpt.ckpt": source})
    with pytest.raises(InputError, match=f"holds {source} models"):
        pulling.pull(tmp_path, catalogue.select(["v2"]))
