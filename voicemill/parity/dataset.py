"""E_audio: the preparation of a dataset (text and BERT, HuBERT and 32 kHz audio, semantic tokens)."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file

from voicemill.dataset.labels import Label, scan
from voicemill.gpt_sovits.dataset import DatasetFolder, Text, level
from voicemill.gpt_sovits.features import bert, hubert
from voicemill.parity.runner import Case, covers


def _labels(case: Case, folder: Path) -> list[Label]:
    path = folder / "case.list"
    path.write_text("\n".join(case.inputs["list_lines"]), encoding="utf-8")
    return scan(path)[0]


def _bert(case: Case, folder: Path) -> bert.Bert:
    from transformers import BertTokenizer

    config = dict(case.config["bert"])
    vocabulary = config.pop("vocab")
    config |= {"model_type": "bert", "architectures": ["BertForMaskedLM"]}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(case.weights()[0], folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return bert.load(folder)


def _hubert(config: dict[str, Any], weights: dict[str, np.ndarray], folder: Path):
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "hubert"}))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return hubert.load(folder)


@covers("E_audio", "prep_1_text*")
def text_and_bert(case: Case) -> None:
    from voicemill.dataset.clip_features import pronounce

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = _bert(case, folder)
        texts: dict[str, Text] = {}
        rows: dict[str, torch.Tensor] = {}
        for label in _labels(case, folder):
            # Decision 9: by ourselves we keep foreign words and read percent signs.
            found = pronounce(label.text, label.language, case.config["version"], as_reference=True)
            texts[label.name] = Text(found.phones, found.word2ph, found.norm_text)
            if any(segment.language == "zh" for segment in found.segments):
                rows[label.name] = bert.segment_features(model, found.segments)
        dataset = DatasetFolder(folder)
        dataset.write_texts(texts)
        case.check("name2text", dataset.texts_file.read_text(encoding="utf-8"))
    files = {f"{clip}.pt": [list(tensor.shape), str(tensor.dtype)] for clip, tensor in rows.items()}
    case.check("bert_files", sorted(files))
    case.check("bert_shapes", files)
    for output in case.output_names:
        if output.startswith("bert_") and output not in ("bert_files", "bert_shapes"):
            clip = f"{output.split('_')[1]}.wav"
            case.check(output, rows[clip][: case.expected(output).shape[0]])


@covers("E_audio", "prep_2_hubert*")
def audio_and_hubert(case: Case) -> None:
    from voicemill.audio.resampling import resample

    with tempfile.TemporaryDirectory() as name:
        model = _hubert(case.config["hubert"], case.weights()[0], Path(name))
    for key, samples in case.inputs.items():
        if key == "list_lines":
            continue
        clip = key.split("_")[0]
        wav32k = samples if samples.dtype == np.float32 else samples.astype(np.float32) / 32768
        # The recorded audio wraps around where it is too loud; decision 1.
        pcm, heard = level(wav32k, wrap=True)
        clipped, _ = level(wav32k)
        loud = np.abs(clipped.astype(np.int32) - pcm) > 0
        assert np.isin(clipped[loud], (-32768, 32767)).all(), "clipping changed samples that are in range"
        ssl = hubert.features(model, resample(heard, 32_000, hubert.RATE))
        assert list(ssl.shape) == case.expected("hubert_shapes")[f"{clip}.wav.pt"][0]
        if f"wav_{clip}" in case.output_names:
            case.check(f"wav_{clip}", pcm)
        for output in (f"ssl_{clip}", f"ssl_{clip}_head"):
            if output in case.output_names:
                case.check(output, ssl[:, : case.expected(output).shape[1]])


@covers("E_audio", "prep_3_semantic*")
def semantic_tokens(case: Case) -> None:
    from voicemill.gpt_sovits.features import semantic
    from voicemill.gpt_sovits.sovits.config import SovitsConfig
    from voicemill.gpt_sovits.sovits.model import Generator

    fields = SovitsConfig.__dataclass_fields__
    known = {field: value for field, value in case.config["model"].items() if field in fields}
    generator = Generator(SovitsConfig(**{**known, "version": case.config["version"]}))
    generator.load_state_dict({key: torch.from_numpy(value) for key, value in case.weights()[0].items()}, strict=False)
    expected = dict(row.split("\t") for row in case.expected("name2semantic").split("\n"))
    for key, ssl in case.inputs.items():
        if key.startswith("ssl_"):
            tokens = semantic.codes(generator.eval(), torch.from_numpy(ssl))
            assert " ".join(map(str, tokens)) == expected[f"{key.removeprefix('ssl_')}.wav"]
