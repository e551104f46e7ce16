"""build-voice trains when something changed, skips when nothing did, and does not promote a voice that is worse.

The stages and their order are the real ones; in the place of training stands a workflow that takes a voice as it is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import soundfile

from tests.engine.running import run
from tests.factories import RunFolder, make_run
from tests.registry.conftest import make_voice
from tests.speech import speech
from voicemill.engine.run import Result
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.models.toy.transformers_models import make_hubert
from voicemill.registry import aliases, versions
from voicemill.registry import publish as put
from voicemill.stages.compare import compare
from voicemill.stages.promote import promote
from voicemill.stages.publish import publish
from voicemill.storage import open_store

HERE = Path(__file__).parent
GOLDEN = HERE.parents[1] / "charts" / "voicemill" / "workflows" / "build_voice.yaml"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    made = make_run(tmp_path_factory.mktemp("run"))
    make_hubert(made.models, 0)
    soundfile.write(made.clips / "b-0000_1.wav", speech(6.0), 16_000)
    return made


def put_voice(made: RunFolder, source: Path, *, factor: float = 1.0) -> None:
    """A voice in the recordings' place; its acoustic weights times a factor."""
    weights = made.sovits / "sovits_e2_s20.safetensors"
    kept = weights.read_bytes()
    checkpoint = checkpoints.load_sovits(weights)
    checkpoint.weights = {key: value * factor for key, value in checkpoint.weights.items()}
    checkpoints.save_sovits(weights, checkpoint)
    folders = (made.sovits, made.gpt, made.evaluation, made.clips, made.transcripts, made.dataset)
    shutil.rmtree(source, ignore_errors=True)
    publish(*folders, source / "voice", made.audio, models=str(made.models), speaker="anna")
    weights.write_bytes(kept)


@pytest.fixture
def build(made: RunFolder, tmp_path: Path) -> Callable[..., Result]:
    """Builds in a folder of its own; takes the folder's name and parameters."""
    workflow = tmp_path / "workflows"
    workflow.mkdir()
    for file in (GOLDEN, HERE / "clone_voice.yaml"):
        shutil.copy(file, workflow)

    def start(name: str, **given: str) -> Result:
        settings = {"speaker": "anna", "source": str(tmp_path / "source"), "registry": str(tmp_path / "registry")}
        settings |= {"models": str(made.models), "compare-lines": "1", "asr-backend": "pocketsphinx"}
        return run(workflow / GOLDEN.name, tmp_path / name, **settings | given)

    return start


def ran(result: Result) -> set[str]:
    return {node.name for node in result.nodes if node.is_pod and node.exit_code == 0}


def test_build_skip_promote_and_refuse(made: RunFolder, build: Callable[..., Result], tmp_path: Path) -> None:
    registry = open_store(tmp_path / "registry")

    def promoted() -> str:
        alias = aliases.read(registry, "anna", "prod")
        assert alias
        return alias.version

    put_voice(made, tmp_path / "source")
    assert build("first").exit_code == 0
    first = promoted()
    assert json.loads((tmp_path / "first" / "comparison" / "verdict.json").read_text())["outcome"] == "first"

    again = build("again")
    assert again.exit_code == 0 and promoted() == first and versions(registry, "anna") == [first]
    assert not any("clone" in name for name in ran(again)), "nothing was trained"
    assert "nothing changed" in (tmp_path / "again" / "comparison" / "report.md").read_text().lower()

    # Other recordings, another voice: with a wide tolerance it takes the old one's place.
    put_voice(made, tmp_path / "source", factor=1.01)
    tolerance = {"max-error-rate-rise": "9", "max-similarity-drop": "9"}
    assert build("changed", **tolerance).exit_code == 0
    second = promoted()
    assert second != first and len(versions(registry, "anna")) == 2

    put_voice(made, tmp_path / "source", factor=float("nan"))
    worse = build("worse")
    assert worse.exit_code == 65 and worse.failed and "is worse than prod" in worse.failed.message
    assert promoted() == second and len(versions(registry, "anna")) == 3
    suite = ElementTree.parse(tmp_path / "worse" / "compare" / "comparison" / "junit.xml").getroot()
    assert int(suite.get("failures", 0)) >= 1

    once_more = build("once more")
    assert once_more.exit_code == 65 and once_more.failed and "nothing changed since" in once_more.failed.message
    assert promoted() == second


def test_the_first_voice_is_promoted_by_what_evaluate_measured(tmp_path: Path) -> None:
    registry = open_store(tmp_path / "registry")
    voice = make_voice(tmp_path / "voice", error_rate=0.25)
    version = put(voice, registry).version
    where = str(tmp_path / "registry")
    compare(voice, tmp_path / "comparison", speaker="anna", models="nowhere", registry=where)
    verdict = json.loads((tmp_path / "comparison" / "verdict.json").read_text())
    assert verdict["outcome"] == "first" and verdict["new"]["error_rate"] == 0.25
    promote(tmp_path / "comparison", tmp_path / "admission", digest="d", registry=where)
    alias = aliases.read(registry, "anna", "prod")
    assert alias and alias.version == version and "the first version to become prod" in alias.log[-1]["why"]
    again = promote(tmp_path / "comparison", tmp_path / "again", digest="d", registry=where)
    assert again.summary()["promoted"] and len(aliases.every(registry, "anna")["prod"].log) == 1
