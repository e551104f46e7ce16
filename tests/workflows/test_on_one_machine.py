"""The smaller workflows by the embedded engine; clone-voice has a module of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.stages.test_synthesize import models, voice
from tests.workflows.test_golden_yaml import CHART, GOLDEN
from voicemill.contract.workflow_parameters import parameters_of
from voicemill.engine import validation
from voicemill.engine.annotations import INSTEAD
from voicemill.engine.workflow import UnsupportedWorkflow, load, of_document
from voicemill.models import locate, record

__all__ = ["models", "voice"]


def run(folder: Path, workflow: str, **parameters: object) -> subprocess.CompletedProcess[str]:
    given = [part for name, value in parameters.items() for part in ("-p", f"{name.replace('_', '-')}={value}")]
    command = [sys.executable, "-m", "voicemill", "run", workflow, *given, "--out", str(folder / "run")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_synthesize_speaks_with_a_published_voice(voice: Path, models: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("Good morning.\nIt rains today.\n")
    (tmp_path / "ada").symlink_to(voice)
    ended = run(tmp_path, "synthesize", voice="ada", models=models, text="lines.txt", speed=1.25)
    assert ended.returncode == 0, ended.stderr
    rows = [json.loads(row) for row in (tmp_path / "run" / "speech" / "manifest.jsonl").read_text().splitlines()]
    assert [(row["text"], row["speed"]) for row in rows] == [("Good morning.", 1.25), ("It rains today.", 1.25)]


def test_prepare_models_fills_a_folder_named_from_here(tmp_path: Path, models: Path) -> None:
    (tmp_path / "published").symlink_to(models)
    record.add(models, {"s1v3.ckpt": record.describe(locate(models, "gpt"), "gpt", record.TOY)})
    shutil.copy(locate(models, "gpt"), models / "s1v3.ckpt")
    ended = run(tmp_path, "prepare-models", source="published", destination="prepared")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "prepared" / "s1v3.ckpt").read_bytes() == locate(models, "gpt").read_bytes()


def test_parameters_that_name_places_are_found_through_the_stages_they_reach() -> None:
    def read(name: str) -> set[str]:
        return set(parameters_of(load(name)).places())

    def written(name: str) -> set[str]:
        return set(parameters_of(load(name)).places(written=True))

    assert read("clone-voice") == {
        "source",
        "consent",
        "speaker-of",
        "transcripts-file",
        "models",
        "text",
        "lexicon",
        "review",
        "config",
    }
    assert read("synthesize") == {"voice", "models", "text", "lexicon", "other-references", "config"}
    assert read("synthesize-bulk") == {"script", "voices", "models", "lexicon", "config"}
    assert written("synthesize-bulk") == {"registry"}
    assert read("prepare-models") == {"source", "config"} and written("prepare-models") == {"destination"}
    assert written("pretrain") == {"destination"}


@pytest.mark.parametrize("name", [name for name in GOLDEN if name != "voicemill_stages.yaml"])
def test_every_workflow_of_ours_can_run_here_or_says_what_does(name: str) -> None:
    workflow = load(Path(name).stem.replace("_", "-"))
    if command := workflow.annotations.get(INSTEAD):
        with pytest.raises(UnsupportedWorkflow, match=command):
            validation.check_place(workflow)
    else:
        validation.check(workflow)


def test_every_stage_that_is_called_by_its_name_can_run_here() -> None:
    document = yaml.safe_load((CHART / "voicemill_stages.yaml").read_text())
    # As the entrypoint, the stage `report` would export an artifact of its own name.
    document["metadata"]["annotations"] = {"voicemill.dev/exports": "report=report.html"}
    for template in document["spec"]["templates"]:
        validation.check(of_document({**document, "spec": {**document["spec"], "entrypoint": template["name"]}}))
