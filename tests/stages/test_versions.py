"""v2Pro and v2ProPlus through the stages that know of versions."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.speech import speech
from voicemill.audio.reading import write_wav
from voicemill.core.errors import InputError
from voicemill.dataset.labels import Label, write
from voicemill.gpt_sovits.dataset import DatasetFolder
from voicemill.gpt_sovits.features import speaker_encoder
from voicemill.gpt_sovits.gpt.recipe import GptRecipe
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe
from voicemill.models import locate
from voicemill.models.layout import Version
from voicemill.models.toy.gpt import make_gpt
from voicemill.models.toy.sovits import make_sovits
from voicemill.models.toy.speaker import make_speaker_encoder
from voicemill.models.toy.transformers_models import make_bert, make_hubert
from voicemill.stages.format import format_dataset
from voicemill.stages.publish import publish
from voicemill.stages.synthesize import synthesize
from voicemill.stages.train_gpt import train_gpt
from voicemill.stages.train_sovits import train_sovits
from voicemill.voice.manifest import read_voice

RATE = 32_000
TEXT = "Hello, how are you doing today?"


@pytest.fixture(scope="module", params=["v2ProPlus"])
def version(request: pytest.FixtureRequest) -> Version:
    return request.param


@pytest.fixture(scope="module")
def made(version: Version, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models of one version besides v2, clips, transcripts, a dataset, weights and a voice."""
    root = tmp_path_factory.mktemp(version)
    models = root / "models"
    make_hubert(models)
    make_bert(models)
    make_gpt(models)
    make_speaker_encoder(models)
    make_sovits(models)
    make_sovits(models, version=version)
    (root / "clips").mkdir()
    (root / "transcripts").mkdir()
    rows = []
    for number, seconds in enumerate((3.5, 1.5)):
        name = f"{number}.wav"
        write_wav(root / "clips" / name, np.repeat(speech(seconds), 2), RATE, "PCM_16")
        about = {"confidence": 0.9, "flags": []}
        rows.append({"clip": name, "seconds": seconds, "language": "EN", "text": TEXT, **about})
    write(root / "transcripts" / "transcripts.list", [Label(row["clip"], "s", "en", TEXT) for row in rows])
    (root / "transcripts" / "transcripts.json").write_text(json.dumps(rows))
    format_dataset(root / "clips", root / "transcripts", root / "dataset", models=str(models), min_seconds=1)
    (root / "evaluation").mkdir()
    few = {"models": str(models)}
    acoustic, token = SovitsRecipe(epochs=1, min_clips_per_epoch=1), GptRecipe(epochs=1, min_clips_per_epoch=1)
    train_sovits(root / "dataset", root / "sovits", root / "state_s", recipe=acoustic, **few)
    train_gpt(root / "dataset", root / "gpt", root / "state_g", recipe=token, **few)
    best = {kind: next((root / kind).glob("*.safetensors")).name for kind in ("sovits", "gpt")}
    (root / "evaluation" / "evaluation.json").write_text(json.dumps({"best": best}))
    folders = (root / name for name in ("sovits", "gpt", "evaluation", "clips", "transcripts", "dataset", "voice"))
    publish(*folders, models=str(models), speaker="ada")
    return root


def test_the_newest_version_that_the_models_allow_is_taken_by_all_stages(made: Path, version: Version) -> None:
    assert DatasetFolder(made / "dataset").version() == version
    assert read_voice(made / "voice").version == version
    assert json.loads((made / "gpt" / "parameters.json").read_text())["base"] == "s1v3.ckpt"
    lineage = json.loads((made / "voice" / "lineage.json").read_text())
    assert len(lineage["base"]["speaker-encoder"]) == 64


def test_each_clip_has_the_speaker_vector_of_what_training_reads(made: Path) -> None:
    import torchaudio

    encode = speaker_encoder.load(locate(made / "models", "speaker-encoder"))
    files = sorted((made / "dataset" / "7-sv_cn").iterdir())
    assert [file.name for file in files] == ["0.wav.pt", "1.wav.pt"]
    samples, rate = soundfile.read(made / "dataset" / "5-wav32k" / "1.wav", dtype="float32")
    heard = torchaudio.transforms.Resample(rate, 16_000)(torch.from_numpy(samples)[None])
    torch.testing.assert_close(torch.load(files[1], weights_only=True), encode(heard), rtol=1e-4, atol=1e-4)


def test_it_speaks_with_one_reference_and_with_several(made: Path, tmp_path: Path) -> None:
    for name, others in (("one", ""), ("two", str(made / "clips"))):
        options = {"models": str(made / "models"), "text": "Good morning.", "other_references": others}
        synthesize(made / "voice", tmp_path / name, **options)
    one, two = (soundfile.read(tmp_path / name / "0001.wav")[0] for name in ("one", "two"))
    assert len(one) == len(two) > 0.3 * RATE, "tokens do not depend on the other references"
    assert not np.array_equal(one, two), "the voice does"


def test_a_dataset_of_another_version_is_refused(made: Path, tmp_path: Path) -> None:
    for train in (train_sovits, train_gpt):
        with pytest.raises(InputError, match="format the clips for v2"):
            train(made / "dataset", tmp_path / "w", tmp_path / "s", models=str(made / "models"), version="v2")


def test_a_dataset_that_does_not_say_is_v2s_unless_it_has_speaker_vectors(tmp_path: Path) -> None:
    assert DatasetFolder(tmp_path).version() == "v2"
    (tmp_path / "7-sv_cn").mkdir()
    assert DatasetFolder(tmp_path).version("v2ProPlus") == "v2ProPlus"
    with pytest.raises(InputError, match="--version"):
        DatasetFolder(tmp_path).version()
