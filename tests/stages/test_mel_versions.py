"""v3 and v4 through the stages: a LoRA is trained, published, and speaks with its base."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.speech import speech
from voicemill.audio.reading import write_wav
from voicemill.core.errors import UsageError
from voicemill.dataset.labels import Label, write
from voicemill.gpt_sovits.dataset import DatasetFolder
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.gpt.recipe import GptRecipe
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.gpt_sovits.versions import Version, spec
from voicemill.models.layout import best_version
from voicemill.models.toy.gpt import make_gpt
from voicemill.models.toy.mel_sovits import make_mel_sovits
from voicemill.models.toy.transformers_models import make_bert, make_hubert
from voicemill.stages.format import format_dataset
from voicemill.stages.publish import publish
from voicemill.stages.synthesize import synthesize
from voicemill.stages.train_gpt import train_gpt
from voicemill.stages.train_sovits import train_sovits
from voicemill.voice.exporting import export_voice
from voicemill.voice.importing import Source, import_voice
from voicemill.voice.manifest import read_voice

TEXT = "Hello, how are you doing today?"
RECIPE = SovitsRecipe(epochs=1, batch_size=50, lora_rank=4)


@pytest.fixture(scope="module", params=["v3", "v4"])
def version(request: pytest.FixtureRequest) -> Version:
    return request.param


@pytest.fixture(scope="module")
def made(version: Version, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models of the version alone, clips, transcripts, a dataset, weights and a voice."""
    root = tmp_path_factory.mktemp(version)
    for make in (make_hubert, make_bert, make_gpt):
        make(root / "models")
    make_mel_sovits(root / "models", version=version)
    (root / "clips").mkdir()
    (root / "transcripts").mkdir()
    rows = []
    for number, seconds in enumerate((3.5, 1.5)):
        name = f"{number}.wav"
        write_wav(root / "clips" / name, np.repeat(speech(seconds), 2), 32_000, "PCM_16")
        about = {"confidence": 0.9, "flags": []}
        rows.append({"clip": name, "seconds": seconds, "language": "EN", "text": TEXT, **about})
    write(root / "transcripts" / "transcripts.list", [Label(row["clip"], "s", "en", TEXT) for row in rows])
    (root / "transcripts" / "transcripts.json").write_text(json.dumps(rows))
    few = {"models": str(root / "models")}
    format_dataset(root / "clips", root / "transcripts", root / "dataset", version=version, min_seconds=1, **few)
    train_sovits(root / "dataset", root / "sovits", root / "state_s", recipe=RECIPE, **few)
    train_gpt(root / "dataset", root / "gpt", root / "state_g", recipe=GptRecipe(epochs=1), **few)
    best = {kind: next((root / kind).glob("*.safetensors")).name for kind in ("sovits", "gpt")}
    (root / "evaluation").mkdir()
    (root / "evaluation" / "evaluation.json").write_text(json.dumps({"best": best}))
    folders = (root / name for name in ("sovits", "gpt", "evaluation", "clips", "transcripts", "dataset", "voice"))
    publish(*folders, speaker="ada", **few)
    return root


def spoken(made: Path, voice: Path, out: Path) -> tuple[np.ndarray, int]:
    synthesize(voice, out, models=str(made / "models"), text="Good morning.", seed=1)
    return soundfile.read(out / "0001.wav")


def test_a_published_voice_speaks_at_the_rate_of_its_version(made: Path, version: Version, tmp_path: Path) -> None:
    voice = read_voice(made / "voice")
    assert (voice.version, voice.sampling_rate) == (version, spec(version).output_rate)
    lineage = json.loads((made / "voice" / "lineage.json").read_text())
    assert len(lineage["base"]["vocoder"]) == len(lineage["base"]["sovits-g"]) == 64
    assert "sovits-d" not in lineage["base"]
    said, rate = spoken(made, made / "voice", tmp_path / "speech")
    assert rate == voice.sampling_rate and len(said) > 0.3 * rate


def test_the_weights_are_a_lora_and_small(made: Path) -> None:
    file = next((made / "sovits").glob("*.safetensors"))
    assert checkpoints.load_sovits(file).lora_rank == 4
    trained = json.loads((made / "sovits" / "parameters.json").read_text())
    assert trained["lora_rank"] == 4 and "mel_weight" not in trained, "what a LoRA is not trained by is not told of it"
    rows = [json.loads(row) for row in (made / "sovits" / "metrics.jsonl").read_text().splitlines()]
    assert rows and all(row["loss_mel"] > 0 for row in rows)


def test_out_and_in_again_it_sounds_the_same(made: Path, version: Version, tmp_path: Path) -> None:
    theirs, again = tmp_path / "theirs", tmp_path / "again"
    theirs.mkdir()
    again.mkdir()
    voice = export_voice(made / "voice", theirs)
    assert (theirs / "ada.pth").read_bytes()[:2].decode() == spec(version).lora_header
    clip = voice.reference
    import_voice(
        Source(theirs / "ada.pth", theirs / "ada.ckpt", theirs / "reference.wav", clip.text, clip.language, "ada"),
        again,
    )
    first, second = (checkpoints.load_sovits(f / "sovits.safetensors").weights for f in (made / "voice", again))
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    one, two = (spoken(made, folder, tmp_path / f"{folder.name}_said")[0] for folder in (made / "voice", again))
    assert len(one) and (one == two).all()


def test_it_is_never_taken_unasked(made: Path) -> None:
    assert best_version(made / "models") == "v2"
    assert DatasetFolder(made / "dataset").version() in ("v3", "v4")


def test_a_base_cannot_be_exported_of_a_lora(made: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "state").mkdir()
    with pytest.raises(UsageError, match="--export-base is for versions that are trained whole"):
        train_sovits(
            made / "dataset",
            tmp_path / "weights",
            tmp_path / "state",
            models=str(made / "models"),
            recipe=RECIPE,
            export_base=True,
        )
