"""Voices come in, speak, and leave again as they came."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.voice.conftest import TEXT, reference, samples, write_pair
from voicemill.gpt_sovits.formats import checkpoints, gpt_sovits_files
from voicemill.gpt_sovits.sovits.config import Version
from voicemill.models.toy.speaker import make_speaker_encoder
from voicemill.models.toy.transformers_models import make_bert, make_hubert
from voicemill.stages.synthesize import synthesize
from voicemill.voice.manifest import read_voice


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for make in (make_hubert, make_bert, make_speaker_encoder):
        make(folder, 1)
    return folder


def imported(run, pair: tuple[Path, Path], out: Path, spoken: Path | None = None) -> Path:
    spoken = spoken or reference(out.parent)
    options = {"--speaker": "ada", "--reference": spoken, "--language": "zh", "--text": TEXT, "--out": out}
    assert run("voices", "import", *pair, *(word for option in options.items() for word in option)) == 0
    return out


def tensors(voice: Path) -> dict[str, torch.Tensor]:
    sovits = checkpoints.load_sovits(voice / "sovits.safetensors").weights
    return sovits | checkpoints.load_gpt(voice / "gpt.safetensors").weights


@pytest.mark.parametrize("version", ["v1", "v2", "v2Pro", "v2ProPlus"])
def test_out_and_in_again_gives_equal_tensors_and_equal_audio(
    version: Version, voicemill, models: Path, tmp_path: Path
) -> None:
    first = imported(voicemill, write_pair(tmp_path, version), tmp_path / "first")
    assert read_voice(first).version == version
    assert voicemill("voices", "export", first, "--out", tmp_path / "theirs") == 0
    theirs = (tmp_path / "theirs" / "ada.pth", tmp_path / "theirs" / "ada.ckpt")
    header = {"v2Pro": b"05", "v2ProPlus": b"06"}.get(version, b"PK")
    assert theirs[0].read_bytes()[:2] == header
    assert (tmp_path / "theirs" / "reference.list").read_text(encoding="utf-8") == f"reference.wav|ada|ZH|{TEXT}\n"
    second = imported(voicemill, theirs, tmp_path / "second", tmp_path / "theirs" / "reference.wav")
    before, after = tensors(first), tensors(second)
    assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)
    for voice in (first, second):
        said = tmp_path / f"{voice.name}_said"
        synthesize(voice, said, models=str(models), text="你好。", language="zh", seed=1)
    assert (tmp_path / "first_said" / "0001.wav").stat().st_size > 1000
    from soundfile import read

    one, two = (read(tmp_path / f"{name}_said" / "0001.wav")[0] for name in ("first", "second"))
    assert len(one) and (one == two).all()


def test_an_imported_voice_says_where_it_comes_from(voicemill, tmp_path: Path) -> None:
    pair = write_pair(tmp_path, "v2")
    voice = imported(voicemill, pair, tmp_path / "voice")
    lineage = json.loads((voice / "lineage.json").read_text())
    assert set(lineage["imported"]) == {*(path.name for path in pair), "ref.wav"}
    assert lineage["info"] == {"sovits": "8epoch_64iteration", "gpt": "GPT-e15"}
    card = (voice / "README.md").read_text(encoding="utf-8")
    assert "made elsewhere" in card and "None is on record" in card


def test_files_that_the_reference_wrote_load_and_leave_as_they_came(tmp_path: Path) -> None:
    for path in samples(tmp_path):
        theirs = gpt_sovits_files.read_reference_file(path)
        if path.suffix == ".ckpt":
            checkpoints.export_gpt(tmp_path / "out", checkpoints.load_gpt(path))
        else:
            checkpoint = checkpoints.load_sovits(path)
            checkpoints.build_generator(checkpoint)
            checkpoints.export_sovits(tmp_path / "out", checkpoint)
        ours = gpt_sovits_files.read_reference_file(tmp_path / "out")
        assert (tmp_path / "out").read_bytes()[:2] == path.read_bytes()[:2]
        assert gpt_sovits_files.configuration(path, ours) == gpt_sovits_files.configuration(path, theirs)
        assert ours["weight"].keys() == theirs["weight"].keys() and ours["info"] == theirs["info"]
        assert all(torch.equal(ours["weight"][key], theirs["weight"][key]) for key in ours["weight"])


def test_inspect_tells_kind_version_and_sizes(voicemill, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sovits, gpt = write_pair(tmp_path, "v2ProPlus")
    assert voicemill("voices", "inspect", sovits, "--json", "--keys") == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["kind"], about["version"], about["header"]) == ("sovits", "v2ProPlus", "v2ProPlus")
    assert about["info"] == "8epoch_64iteration" and about["config"]["data"]["sampling_rate"] == 32_000
    assert about["keys"]["sv_emb.weight"] == [[64, 20480], "float16"]
    assert about["parameters"] > 64 * 20480 and len(about["sha256"]) == 64
    assert voicemill("voices", "inspect", gpt) == 0
    assert "kind: gpt" in capsys.readouterr().out
    voice = imported(voicemill, (sovits, gpt), tmp_path / "voice")
    capsys.readouterr()
    assert voicemill("voices", "inspect", voice) == 0
    said = capsys.readouterr().out
    assert "kind: voice" in said and "kind: sovits" in said and "speaker: ada" in said


@pytest.mark.parametrize(("header", "version"), [(b"07", "v5dev"), (b"08", "v5turbo")])
def test_versions_that_do_not_run_here_can_be_inspected_but_not_imported(
    voicemill, tmp_path: Path, capsys: pytest.CaptureFixture[str], header: bytes, version: str
) -> None:
    sovits, gpt = write_pair(tmp_path, "v2")
    sovits.write_bytes(header + sovits.read_bytes()[2:])
    assert voicemill("voices", "inspect", sovits) == 0
    assert f"version: {version}" in capsys.readouterr().out
    given = ("--reference", reference(tmp_path), "--language", "zh", "--speaker", "ada", "--out", tmp_path / "voice")
    assert voicemill("voices", "import", sovits, gpt, *given) == 65
    assert f"is a {version} model" in capsys.readouterr().err


def test_a_reference_of_another_length_or_an_unknown_language_is_refused(voicemill, tmp_path: Path) -> None:
    from voicemill.audio.reading import write_wav

    pair = write_pair(tmp_path, "v2")
    write_wav(tmp_path / "long.wav", torch.ones(32_000 * 11).numpy() / 10, 32_000, "PCM_16")
    common = ("voices", "import", *pair, "--out", tmp_path / "voice", "--speaker", "ada")
    assert voicemill(*common, "--reference", tmp_path / "long.wav", "--language", "zh") == 65
    assert voicemill(*common, "--reference", reference(tmp_path), "--language", "xx") == 64
    assert voicemill(*common, "--reference", reference(tmp_path), "--language", "zh", "--text", "?!") == 65
    assert not (tmp_path / "voice").exists()


def test_halves_of_different_versions_are_refused(
    voicemill, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old").mkdir()
    _, old = write_pair(tmp_path / "old", "v1")
    sovits, _ = write_pair(tmp_path, "v2")
    given = ("--reference", reference(tmp_path), "--language", "zh", "--speaker", "ada", "--out", tmp_path / "voice")
    assert voicemill("voices", "import", sovits, old, *given) == 65
    assert "512 phones" in capsys.readouterr().err
