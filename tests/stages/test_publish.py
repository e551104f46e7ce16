"""Publish makes one folder that says what the voice is, where it comes from, and cannot be changed unnoticed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.factories import RunFolder, make_run
from voicemill.core import gpu_cost
from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.models import locate, record
from voicemill.models.layout import place
from voicemill.registry import publish as put
from voicemill.registry import pull, version_of, versions
from voicemill.stages.publish import publish
from voicemill.storage import open_store
from voicemill.voice import pronunciation, reference_features
from voicemill.voice.manifest import choose_reference, main_language, read_voice
from voicemill.voice.reference_features import ReferenceFile, StoredFeatures


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return make_run(tmp_path_factory.mktemp("run"))


def make_voice(run: RunFolder, voice: Path, **parameters: object) -> Path:
    folders = (run.sovits, run.gpt, run.evaluation, run.clips, run.transcripts, run.dataset)
    publish(*folders, voice, run.audio, models=str(run.models), speaker="lj", **parameters)  # pyright: ignore[reportArgumentType]
    return voice


def test_the_voice_is_the_best_pair_with_its_reference(run: RunFolder, tmp_path: Path) -> None:
    folder = make_voice(run, tmp_path / "voice")
    voice = read_voice(folder)
    assert (voice.speaker, voice.version, voice.language, voice.sampling_rate) == ("lj", "v2", "en", 32_000)
    assert voice.sovits.origin == "sovits_e2_s20.safetensors" and voice.gpt.origin == "gpt_e2_s20.safetensors"
    assert (voice.reference.text, voice.reference.language, voice.reference.seconds) == ("It is raining.", "en", 6.0)
    assert file_digest(folder / "reference.wav") == file_digest(run.clips / "b-0000_1.wav")


def test_the_lineage_leads_back_to_data_base_weights_consent_and_code(run: RunFolder, tmp_path: Path) -> None:
    folder = make_voice(run, tmp_path / "voice")
    lineage = json.loads((folder / "lineage.json").read_text())
    assert lineage["consent"] == {"consent": "She agreed on paper."}
    assert lineage["data"]["transcripts"] == file_digest(run.transcripts / "transcripts.list")
    assert len(lineage["base"]["sovits-g"]) == 64 and lineage["base"]["bert"] == "not there"
    assert len(lineage["code"]["train_gpt"]) == 16
    card = (folder / "README.md").read_text()
    for words in ("She agreed on paper.", "generated speech", "| error_rate | 0.2 |", "Licence", "Limits", "Consent"):
        assert words in card


def test_lineage_and_card_say_what_the_voice_took_of_gpus(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where training was taken over from an earlier run, what it took there."""
    rows = [
        {"stage": "format", "gpu_class": "inference", "gpu_seconds": 60.0},
        {"stage": "train-gpt", "gpu_class": "training", "gpu_seconds": 4.0, "reused_gpu_seconds": 1800.0},
    ]
    ledgers = tmp_path / "ledgers"
    ledgers.mkdir()
    (ledgers / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = json.loads((make_voice(run, tmp_path / "unpriced", ledgers=ledgers) / "lineage.json").read_text())
    assert made["gpu"] == {"inference seconds": 60, "training seconds": 1800}
    monkeypatch.setenv(gpu_cost.PRICES, '{"training": 2.5, "inference": 0.6}')
    monkeypatch.setenv(gpu_cost.CURRENCY, "EUR")
    folder = make_voice(run, tmp_path / "priced", ledgers=ledgers)
    priced = json.loads((folder / "lineage.json").read_text())
    assert priced["gpu"] == made["gpu"] | {"cost": 1.26, "currency": "EUR"}
    card = (folder / "README.md").read_text()
    assert "| gpu training seconds | 1800 |" in card and "| gpu cost | 1.26 |" in card
    assert "gpu" not in json.loads((make_voice(run, tmp_path / "on-a-cpu") / "lineage.json").read_text())


def test_lineage_and_card_tell_toys_a_trained_base_and_public_weights_apart(run: RunFolder, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(run.root, tmp_path / "run"))

    def published(source: str) -> tuple[dict[str, str], str]:
        files = {name: locate(run.models, name) for name in ("sovits-g", "gpt")}
        record.add(run.models, {place(name): record.describe(path, name, source) for name, path in files.items()})
        folder = make_voice(run, tmp_path / source.replace("/", "-"))
        return json.loads((folder / "lineage.json").read_text())["base_sources"], (folder / "README.md").read_text()

    unrecorded = make_voice(run, tmp_path / "unrecorded")
    assert json.loads((unrecorded / "lineage.json").read_text())["base_sources"]["gpt"] == "not recorded"
    for source in (record.TOY, record.BASE, "someone/weights/s2G.pth"):
        sources, card = published(source)
        assert (sources["sovits-g"], sources["gpt"], sources["bert"]) == (source, source, "not recorded")
        assert ("toy weights" in card) == (source == record.TOY)
        assert f"| base_sources gpt | {source} |" in card


def test_the_voice_carries_how_its_training_texts_were_read(run: RunFolder, tmp_path: Path) -> None:
    assert not (make_voice(run, tmp_path / "plain") / "lexicon.csv").exists()
    run = RunFolder(shutil.copytree(run.root, tmp_path / "run"))
    dataset = run.dataset
    (dataset / "reading.json").write_text('{"polyphones": "pypinyin"}\n', encoding="utf-8")
    (dataset / "lexicon.csv").write_text("word,reading\nhello,HH AH0 L OW1\n", encoding="utf-8")
    folder = make_voice(run, tmp_path / "voice")
    read = pronunciation.load(run.models, trained=folder)
    assert read.polyphones == "pypinyin" and read.reading.lexicon is not None and len(read.reading.lexicon) == 1


def test_the_voice_carries_what_evaluation_found_in_its_reference_clip(run: RunFolder, tmp_path: Path) -> None:
    assert reference_features.read(make_voice(run, tmp_path / "plain")) is None
    run = RunFolder(shutil.copytree(run.root, tmp_path / "run"))
    features = StoredFeatures(np.arange(5, dtype=np.int32), np.ones((1, 8, 1), dtype=np.float32))
    clips = {file_digest(clip): features for clip in run.clips.iterdir()}
    assert len(clips) > 1
    best = file_digest(run.sovits / "sovits_e2_s20.safetensors")
    ReferenceFile(best, "a digest", clips).write(run.evaluation)
    folder = make_voice(run, tmp_path / "voice")
    found, voice = reference_features.read(folder), read_voice(folder)
    assert found is not None and (found.sovits, found.hubert) == (voice.sovits.sha256, "a digest")
    assert list(found.clips) == [voice.reference.sha256]
    assert np.array_equal(found.clips[voice.reference.sha256].tokens_T, features.tokens_T)


def test_without_consent_the_card_says_so(run: RunFolder, tmp_path: Path) -> None:
    folders = (run.sovits, run.gpt, run.evaluation, run.clips, run.transcripts, run.dataset)
    publish(*folders, tmp_path / "voice", models=str(run.models), speaker="lj")
    assert "None is on record" in (tmp_path / "voice" / "README.md").read_text()


def test_the_same_inputs_give_the_same_version(run: RunFolder, tmp_path: Path) -> None:
    first, second = (version_of(make_voice(run, tmp_path / name)) for name in ("a", "b"))
    assert first.version == second.version


def test_exports_are_files_that_the_reference_reads(run: RunFolder, tmp_path: Path) -> None:
    folder = make_voice(run, tmp_path / "voice", export=True)
    exported = checkpoints.load_sovits(folder / "exports" / "sovits.pth").weights
    ours = checkpoints.load_sovits(folder / "sovits.safetensors").weights
    assert exported.keys() == ours.keys() and all(torch.equal(exported[key], ours[key]) for key in ours)
    assert checkpoints.load_gpt(folder / "exports" / "gpt.ckpt").weights


def test_a_damaged_voice_is_refused_with_the_files_name(run: RunFolder, tmp_path: Path) -> None:
    folder = make_voice(run, tmp_path / "voice")
    (folder / "gpt.safetensors").write_bytes(b"cut short")
    with pytest.raises(InputError, match=r"gpt\.safetensors"):
        read_voice(folder)
    (folder / "voice.json").write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        read_voice(folder)
    with pytest.raises(InputError, match=r"no voice\.json"):
        read_voice(tmp_path)


def test_weights_that_the_evaluation_names_must_be_there(run: RunFolder, tmp_path: Path) -> None:
    folders = (tmp_path, run.gpt, run.evaluation, run.clips, run.transcripts, run.dataset, tmp_path / "voice")
    with pytest.raises(InputError, match=r"sovits_e2_s20\.safetensors"):
        publish(*folders, models=str(run.models), speaker="lj")
    assert not (tmp_path / "voice").exists()


def test_a_registry_keeps_versions_and_notices_a_change(run: RunFolder, tmp_path: Path) -> None:
    folder = make_voice(run, tmp_path / "voice", registry=str(tmp_path / "registry"))
    registry = open_store(tmp_path / "registry")
    version = version_of(folder).version
    assert versions(registry, "lj") == [version] and versions(registry, "l") == []
    put(folder, registry)
    assert versions(registry, "lj") == [version], "published twice, it is the same version"
    assert version_of(pull(registry, "lj", version, tmp_path / "back")).version == version
    (tmp_path / "registry" / "lj" / version / "README.md").write_text("another card")
    with pytest.raises(InputError, match="does not match what was published"):
        pull(registry, "lj", version, tmp_path / "again")


def test_an_interrupted_publication_is_not_there(run: RunFolder, tmp_path: Path) -> None:
    folder = make_voice(run, tmp_path / "voice")
    registry = open_store(tmp_path / "registry")
    version = version_of(folder).version
    registry.upload(folder / "gpt.safetensors", f"lj/{version}/gpt.safetensors")
    assert versions(registry, "lj") == []
    with pytest.raises(InputError, match="no version"):
        pull(registry, "lj", version, tmp_path / "back")


def test_the_reference_is_sure_unflagged_and_of_usable_length() -> None:
    rows = [
        {"clip": "long", "seconds": 10.5, "text": "x", "confidence": 1.0, "flags": []},
        {"clip": "flagged", "seconds": 6.0, "text": "x", "confidence": 1.0, "flags": ["loop"]},
        {"clip": "silent", "seconds": 6.0, "text": "", "confidence": 1.0, "flags": []},
        {"clip": "unsure", "seconds": 6.0, "text": "x", "confidence": 0.3, "flags": []},
        {"clip": "good", "seconds": 5.0, "text": "x", "confidence": 0.91, "flags": []},
        {"clip": "longer", "seconds": 9.0, "text": "x", "confidence": 0.94, "flags": []},
    ]
    assert choose_reference(rows)["clip"] == "good"
    with pytest.raises(InputError, match="3 and 10 s"):
        choose_reference(rows[:1])


def test_the_main_language_is_that_of_most_seconds() -> None:
    rows = [{"language": "EN", "seconds": 3.0}, {"language": "ZH", "seconds": 5.0}, {"language": "EN", "seconds": 3.0}]
    assert main_language(rows) == "en"
