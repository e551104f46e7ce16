"""A voice to ONNX graphs, by the command."""

import json
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

from tests.factories import make_speaking_voice
from voicemill.cli.main import app
from voicemill.models import packed


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("models")
    packed.unpack(packed.SMALL, str(models))
    return make_speaking_voice(tmp_path_factory.mktemp("voice"), models, prompt="Good morning to you.")


def test_a_voice_becomes_graphs_and_what_is_needed_to_run_them(voice: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["voices", "export", str(voice), "--out", str(out), "--onnx", "--onnx-weights", "int8"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "ONNX graphs of" in done.output
    assert sorted(path.name for path in out.iterdir()) == [
        "acoustic.onnx",
        "onnx.json",
        "reference.list",
        "reference.wav",
        "tokens.onnx",
    ]
    about = json.loads((out / "onnx.json").read_text())
    graph = onnx.load(out / "tokens.onnx")
    assert "MatMulNBits" in {node.op_type for node in graph.graph.node}
    layers = about["token_model"]["n_layer"]
    assert len([each for each in graph.graph.input if each.name.startswith("keys.")]) == layers
    assert about["weights"] == "int8"
    assert about["sampling_rate"] == 32000
