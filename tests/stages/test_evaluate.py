"""Evaluate lets saved epochs speak and listens to them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.factories import make_run
from tests.small_voice import small_models
from tests.speech import speech
from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.synthesis import Options, Reference
from voicemill.models.toy.transformers_models import make_hubert
from voicemill.stages.evaluate import evaluate
from voicemill.synthesis.load import Pretrained
from voicemill.synthesis.speaking import recite
from voicemill.voice import reference_features
from voicemill.voice.generation_config import Generation


def test_each_epoch_speaks_and_a_diverged_one_is_dropped(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    make_hubert(run.models, 0)
    soundfile.write(run.clips / "b-0000_1.wav", speech(6.0), 16_000)
    diverged = checkpoints.load_sovits(run.sovits / "sovits_e1_s10.safetensors")
    diverged.weights = {key: value * float("nan") for key, value in diverged.weights.items()}
    checkpoints.save_sovits(run.sovits / "sovits_e1_s10.safetensors", diverged)

    folders = (run.dataset, run.clips, run.transcripts, run.sovits, run.gpt)
    ledger = evaluate(*folders, tmp_path / "out", models=str(run.models), lines=1, reference_candidates=2)

    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    asked = [(pair["sovits"], pair["gpt"]) for pair in found["pairs"]]
    assert asked == [
        ("sovits_e1_s10.safetensors", "gpt_e2_s20.safetensors"),
        ("sovits_e2_s20.safetensors", "gpt_e2_s20.safetensors"),
        ("sovits_e2_s20.safetensors", "gpt_e1_s10.safetensors"),
    ]
    assert found["best"]["sovits"] == "sovits_e2_s20.safetensors"
    assert found["recogniser"] == "pocketsphinx" and found["reference"]["clip"] == "b-0000_1.wav"
    assert (ledger.kept, ledger.dropped) == (2, 1)
    assert "diverged" in ledger.entries[0]["reason"]
    read = reference_features.read(tmp_path / "out")
    assert read is not None and read.sovits == file_digest(run.sovits / "sovits_e2_s20.safetensors")
    (clip,) = read.clips.items()
    assert clip[0] == file_digest(run.clips / "b-0000_1.wav") and len(clip[1].tokens_T) == round(25 * 6.6) - 1
    for pair in found["pairs"][1:]:
        (line,) = pair["lines"]
        assert soundfile.info(tmp_path / "out" / line["audio"]).samplerate == 32_000
        assert line["text"] and 0 < line["seconds"] < 20 and -1 <= line["similarity"] <= 1
        assert line["causes"] and pair["failing"] == 1.0, "a toy does not say its text"
    assert ledger.summary()["failing"] == 1.0

    (tmp_path / "limited").mkdir()
    options = {"lines": 1, "reference_candidates": 1, "max_failing": 0.1}
    with pytest.raises(InputError, match="100% of the best pair's 1 lines fail .* more than max-failing, 10%"):
        evaluate(*folders, tmp_path / "limited", models=str(run.models), **options)


def test_epochs_are_chosen_by_how_the_voice_will_speak(tmp_path: Path) -> None:
    run = make_run(tmp_path, small_models())
    clip = run.clips / "b-0000_1.wav"
    soundfile.write(clip, speech(6.0), 16_000)
    folders = (run.dataset, run.clips, run.transcripts, run.sovits, run.gpt)
    generation = Generation(top_k=1, repetition_penalty=1.0, num_beams=2, text_split="cut0", use_prompt=False)
    options = {"lines": 1, "reference_candidates": 1, "seed": 7, "generation": generation}
    evaluate(*folders, tmp_path / "out", models=str(run.models), **options)
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    pair = found["pairs"][0]
    (line,) = pair["lines"]

    synthesizer = Pretrained(run.models).synthesizer(run.sovits / pair["sovits"], run.gpt / pair["gpt"])
    spoken_with = Options(Sampling(top_k=1, repetition_penalty=1.0, num_beams=2), text_split="cut0")
    (said,) = recite(synthesizer, Reference(clip, "", "en"), [line["text"]], "en", 7, spoken_with)
    spoken, _ = soundfile.read(tmp_path / "out" / line["audio"], dtype="int16")
    np.testing.assert_allclose(spoken, said.pcm16(), atol=1)
