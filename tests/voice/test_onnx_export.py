"""A voice to ONNX graphs by the command, and how it speaks then: as with torch, and without."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
from typer.testing import CliRunner

from tests.factories import RECORDING, make_speaking_voice
from tests.text.g2pw_model import write_g2pw
from voicemill.api import Voice
from voicemill.cli.main import app
from voicemill.contract import Overrides
from voicemill.core.errors import BrokenModelError, InputError, MissingModelError, UsageError
from voicemill.gpt_sovits.onnx.decoder import OnnxDecoder
from voicemill.gpt_sovits.onnx.quantization import in_weights
from voicemill.gpt_sovits.onnx.sound import OnnxSound
from voicemill.gpt_sovits.onnx.speaker import OnnxSpeaker
from voicemill.gpt_sovits.synthesis import Options
from voicemill.gpt_sovits.synthesis.streaming import Stream, StreamingSynthesizer
from voicemill.models import packed
from voicemill.models.toy.transformers_models import make_bert
from voicemill.stages.synthesize import synthesize
from voicemill.synthesis import watermark
from voicemill.synthesis.load import Pretrained
from voicemill.synthesis.reference_features import add_to_voice
from voicemill.synthesis.speaking import SpeakingVoice, load_voice
from voicemill.voice import pronunciation
from voicemill.voice.generation_config import Generation
from voicemill.voice.inspecting import inspect

LINES = ("Good morning to everyone.", "The rain has stopped, and the road is dry. We can go now.", "Seven?")
BLOCKED = """
import sys
for name in ("torch", "torchaudio", "transformers", "tokenizers", "librosa", "sklearn", "onnx", "scipy"):
    sys.modules[name] = None
from voicemill.cli.main import main
sys.argv = ["voicemill", *sys.argv[1:]]
main()
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    packed.unpack(packed.SMALL, str(folder))
    return folder


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    folder = make_speaking_voice(
        tmp_path_factory.mktemp("voice"), models, prompt="Good morning to you.", generation=Generation(pause=0.1)
    )
    (folder / "README.md").write_text("# ada\n")
    (folder / "lexicon.csv").write_text("word,language,reading\nvoicemill,en,V OY1 S M IH1 L\n")
    add_to_voice(folder, Pretrained(models), pronunciation.load(models, trained=folder).reading)
    return folder


def export(voice: Path, out: Path, *more: str) -> str:
    done = CliRunner().invoke(app, ["voices", "export", str(voice), "--out", str(out), "--onnx", *more])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory, voice: Path) -> Path:
    out = tmp_path_factory.mktemp("exported") / "graphs"
    assert "ONNX graphs of ada" in export(voice, out)
    return out


@pytest.fixture(scope="module")
def rounded(tmp_path_factory: pytest.TempPathFactory, voice: Path) -> Path:
    out = tmp_path_factory.mktemp("exported") / "rounded"
    export(voice, out, "--onnx-weights", "int8")
    return out


def test_a_voice_becomes_graphs_and_all_else_that_it_has(rounded: Path) -> None:
    out = rounded
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "acoustic.onnx",
        "lexicon.csv",
        "onnx.json",
        "reference.wav",
        "references.safetensors",
        "tokens.onnx",
        "voice.json",
        "watermark.onnx",
    ]
    about = json.loads((out / "onnx.json").read_text())
    graph = onnx.load(out / "tokens.onnx")
    assert "MatMulNBits" in {node.op_type for node in graph.graph.node}
    layers = about["token_model"]["n_layer"]
    assert len([each for each in graph.graph.input if each.name.startswith("keys.")]) == layers
    assert about["weights"] == "int8"
    assert about["sampling_rate"] == 32000
    onnx.checker.check_model(onnx.load(out / "watermark.onnx"), full_check=True)
    assert {part["kind"] for part in inspect(out)["models"].values()} == {"ONNX graph"}
    assert load_voice(out, None, precision="int8").voice.runtime == "onnx"
    with pytest.raises(UsageError, match="exported in int8 and cannot speak in fp32"):
        load_voice(out, None, precision="fp32")


def spoken(speaking: SpeakingVoice, seed: int) -> list:
    synthesizer, options = speaking.synthesizer, Options(pause_seconds=0.1)
    prompt = synthesizer.prepare(speaking.reference)
    scripts = [synthesizer.script(line, "en", seed=seed + number) for number, line in enumerate(LINES)]
    return synthesizer.perform(scripts, prompt, options)


def test_the_same_seed_speaks_the_same_as_with_torch(voice: Path, graphs: Path, models: Path) -> None:
    by_torch, by_graphs = load_voice(voice, models, "cpu", watermark="off"), load_voice(graphs, None, watermark="off")
    for one, other in zip(spoken(by_torch, 5), spoken(by_graphs, 5), strict=True):
        assert one.report == other.report
        np.testing.assert_allclose(other.samples, one.samples, atol=2e-3 * float(abs(one.samples).max()))


def test_in_half_precision_it_is_half_as_large_and_speaks_the_same(graphs: Path) -> None:
    whole = load_voice(graphs, None, watermark="off")
    speaker = whole.synthesizer
    assert isinstance(speaker, OnnxSpeaker)
    halves = []
    for name in ("tokens.onnx", "acoustic.onnx"):
        halves.append(in_weights(onnx.load(graphs / name), "fp16").SerializeToString())
        assert len(halves[-1]) < 0.55 * (graphs / name).stat().st_size
    tokens, acoustic = halves
    half = replace(
        speaker,
        decoder=OnnxDecoder(tokens, speaker.decoder.config),
        sound=OnnxSound(acoustic, speaker.sound.sizes),
    )
    for one, other in zip(spoken(whole, 5), spoken(replace(whole, synthesizer=half), 5), strict=True):
        assert one.report == other.report
        np.testing.assert_allclose(other.samples, one.samples, atol=5e-3 * float(abs(one.samples).max()))


def test_in_int8_the_vocoder_but_for_its_last_stages_is_rounded_and_sounds_alike(graphs: Path, rounded: Path) -> None:
    nodes = onnx.load(rounded / "acoustic.onnx").graph.node
    names = {node.input[0] for node in nodes if node.op_type == "DequantizeLinear"}
    assert any("resblocks.0/" in name for name in names)
    assert not any(f"resblocks.{block}/" in name for name in names for block in range(6, 12))
    whole, small = (load_voice(each, None, watermark="off").synthesizer for each in (graphs, rounded))
    # The sound of the same tokens.
    small.decoder = whole.decoder
    speaking = load_voice(graphs, None, watermark="off")
    one, other = (
        np.concatenate([each.samples for each in spoken(replace(speaking, synthesizer=speaker), 5)])
        for speaker in (whole, small)
    )
    assert 10 * np.log10(np.sum(one**2) / np.sum((other - one) ** 2)) > 20


def test_it_is_heard_while_it_is_spoken(graphs: Path) -> None:
    speaking = load_voice(graphs, None, watermark="off")
    synthesizer, options = speaking.synthesizer, Options(pause_seconds=0.1)
    prompt = synthesizer.prepare(speaking.reference)
    script = synthesizer.script(LINES[1], "en", seed=3)
    (whole,) = synthesizer.perform([script], prompt, options)
    pieces: list[np.ndarray] = []
    stream = Stream(script, prompt, options, pieces.append)
    streaming = StreamingSynthesizer(synthesizer, rows=2)
    streaming.begin(stream)
    while not stream.has_ended:
        streaming.step()
    assert len(pieces) > 2
    heard = np.concatenate(pieces)
    assert heard.shape == whole.samples.shape
    assert np.abs(heard - whole.samples).max() < 0.2 * np.abs(whole.samples).max()


def test_it_carries_the_watermark_of_the_package(voice: Path, graphs: Path, models: Path, tmp_path: Path) -> None:
    by_package, by_graph = watermark.mark(), watermark.mark_by_graph("on", graphs)
    assert by_package and by_graph and by_package.name == by_graph.name
    samples = soundfile.read(RECORDING, dtype="float32")[0][:64_000]
    np.testing.assert_allclose(by_graph.apply(samples, 32_000), by_package.apply(samples, 32_000), atol=1e-5)
    assert watermark.mark_by_graph("off", graphs) is None
    assert watermark.mark_by_graph("auto", tmp_path) is None
    with pytest.raises(MissingModelError, match=r"has no watermark.onnx; export it again"):
        watermark.mark_by_graph("on", tmp_path)


def test_it_speaks_where_torch_is_not_installed(graphs: Path, tmp_path: Path) -> None:
    arguments = (LINES[0], "--voice", str(graphs), "--models", str(tmp_path / "nowhere"))
    samples = say_without_torch(tmp_path / "said.wav", *arguments)
    with Voice.load(graphs) as speaker:
        pieces = np.concatenate(list(speaker.stream(LINES[0])))
    np.testing.assert_allclose(samples, pieces, atol=1e-3)


def say_without_torch(out: Path, *arguments: str) -> np.ndarray:
    environment = {**os.environ, "VOICEMILL_MODELS": ""}
    command = [sys.executable, "-c", BLOCKED, "say", *arguments, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    samples, rate = soundfile.read(out, dtype="float32")
    assert rate == 32_000
    return samples


def test_mandarin_is_spoken_where_torch_is_not_installed(
    voice: Path, graphs: Path, models: Path, tmp_path: Path
) -> None:
    whole, text = tmp_path / "whole", "我们去银行，他很快乐。"
    shutil.copytree(models, whole)
    make_bert(whole)
    write_g2pw(whole)
    made = CliRunner().invoke(app, ["models", "export-onnx", str(whole), "--weights", "fp32"])
    assert made.exit_code == 0 and "BERT as an ONNX graph in fp32" in made.output
    small = tmp_path / "small"
    for name in ("G2PWModel", "chinese-roberta-wwm-ext-large-onnx"):
        shutil.copytree(whole / name, small / name)
    with Voice.load(voice, models=whole, device="cpu") as speaker:
        by_torch = speaker.say(text, language="zh").samples
    arguments = (text, "--voice", str(graphs), "--language", "zh", "--models")
    samples = say_without_torch(tmp_path / "said.wav", *arguments, str(small))
    np.testing.assert_allclose(samples, by_torch, atol=2e-3 * float(abs(by_torch).max()))


def test_the_stage_needs_no_models_folder(graphs: Path, voice: Path, tmp_path: Path) -> None:
    synthesize(graphs, tmp_path / "speech", text=LINES[2], generation=Overrides())
    assert sorted(path.name for path in (tmp_path / "speech").iterdir()) == ["0001.wav", "manifest.jsonl"]
    with pytest.raises(UsageError, match="a voice needs a models folder"):
        synthesize(voice, tmp_path / "other", text=LINES[2], generation=Overrides())


def test_what_graphs_cannot_do_is_refused_in_a_sentence(graphs: Path, tmp_path: Path) -> None:
    for asked in ({"runtime": "torch"}, {"compiled": True}):
        with pytest.raises(UsageError, match="made of ONNX graphs, which ONNX Runtime runs on the CPU"):
            load_voice(graphs, None, **asked)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="device cuda"):
        load_voice(graphs, None, "cuda")
    synthesizer = load_voice(graphs, None).synthesizer
    with pytest.raises(MissingModelError, match="Mandarin needs BERT as a graph: name a models folder"):
        synthesizer.script("你好。", "zh")
    done = CliRunner().invoke(app, ["voices", "export", str(graphs), "--out", str(tmp_path / "out"), "--onnx"])
    assert isinstance(done.exception, InputError) and "is a voice of ONNX graphs" in str(done.exception)


def test_clips_that_nobody_has_read_need_the_models(models: Path, tmp_path: Path) -> None:
    (tmp_path / "voice").mkdir()
    unread = make_speaking_voice(tmp_path / "voice", models, prompt="Good morning to you.")
    arguments = ["voices", "export", str(unread), "--onnx", "--out"]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path / "one")], env={"VOICEMILL_MODELS": ""})
    assert isinstance(done.exception, UsageError) and "name a models folder with --models" in str(done.exception)
    assert not (tmp_path / "one").exists()
    export(unread, tmp_path / "two", "--models", str(models))
    assert load_voice(tmp_path / "two", None).is_read


@pytest.mark.parametrize(
    ("where", "name", "value", "said"),
    [
        ("", "latent_channels", 7, "acoustic.onnx does not fit the sizes in onnx.json"),
        ("", "sampling_rate", 0, "do not fit a GPT-SoVITS acoustic model"),
        ("token_model", "head", 1, "tokens.onnx does not fit the sizes in onnx.json"),
        ("token_model", "vocab_size", 1026, "EOS is 1024, but must be the last token of the vocabulary, 1025"),
        ("token_model", "EOS", 5000, "EOS is 5000, but must be the last token of the vocabulary, 1024"),
        ("token_model", "n_layer", "6", "do not belong to a GPT-SoVITS token model"),
    ],
)
def test_sizes_of_another_model_are_refused(
    graphs: Path, tmp_path: Path, where: str, name: str, value: object, said: str
) -> None:
    crafted = shutil.copytree(graphs, tmp_path / "crafted")
    sizes = json.loads((crafted / "onnx.json").read_text())
    (sizes[where] if where else sizes)[name] = value
    (crafted / "onnx.json").write_text(json.dumps(sizes))
    with pytest.raises((BrokenModelError, InputError), match=said):
        Voice.load(crafted, watermark="off").say("Seven?")
