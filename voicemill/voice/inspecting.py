"""What is in a file or a voice folder, found out without running anything in it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from voicemill.core.digests import file_digest
from voicemill.core.display import display, printable
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.flow_matching import lora
from voicemill.gpt_sovits.formats import checkpoints, safe_reader
from voicemill.gpt_sovits.formats.gpt_sovits_files import information, kind_by_header
from voicemill.gpt_sovits.formats.safetensors_files import read_weights
from voicemill.gpt_sovits.versions import VERSIONS
from voicemill.voice.manifest import MANIFEST, read_voice


def inspect(path: Path, *, keys: bool = False) -> dict[str, Any]:
    """Describe a checkpoint of GPT-SoVITS, one of ours, a resume file, or a voice folder.

    Args:
        path: The file or folder.
        keys: Also list every tensor with its type and shape.

    Returns:
        Plain values: `kind`, `version`, `info`, `config`, `parameters`, `types` and more, as far as they are known.

    Raises:
        InputError: When it is anything else, damaged, or holds what no checkpoint needs.
    """
    if path.is_dir():
        from dataclasses import asdict

        voice = read_voice(path)
        if voice.runtime == "onnx":
            parts = {
                part.file: {"kind": "ONNX graph", **_of_file(path / part.file)} for part in (voice.sovits, voice.gpt)
            }
        else:
            parts = {name: inspect(path / f"{name}.safetensors", keys=keys) for name in ("sovits", "gpt")}
        return {"kind": "voice", **asdict(voice), "models": parts}
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    if path.name == MANIFEST:
        return inspect(path.parent, keys=keys)
    about = _of_file(path)
    if path.suffix == ".safetensors":
        weights, found = read_weights(path, framework="pt")
        about |= {"kind": found.get("kind", "tensors"), "version": found.get("version"), "info": found.get("info")}
        about["config"] = found.get("hps")
    else:
        weights, found = _of_the_reference(path)
        about |= found
    return {name: value for name, value in about.items() if value is not None} | _of_tensors(weights, keys)


def _of_file(path: Path) -> dict[str, Any]:
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": file_digest(path)}


def _of_the_reference(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        contents = safe_reader.read_archive(path)
        if not isinstance(contents, Mapping):
            raise InputError(f"{path} contains no weights")
        config = safe_reader.plain(contents.get("config"))
    except safe_reader.UnreadableCheckpoint as error:
        raise InputError(f"{path} is refused: {error}") from error
    weights = contents.get("weight", contents.get("model", contents))
    if not isinstance(weights, Mapping):
        raise InputError(f"{path} contains no weights")
    tensors = {str(key): value for key, value in weights.items() if isinstance(value, Tensor)}
    header = kind_by_header(path)
    found: dict[str, Any] = {"header": header.model if header else "zip", "config": config}
    if "info" in contents:
        found["info"] = information(contents)
    if "iteration" in contents:
        iteration = contents["iteration"]
        found |= {"kind": "resume file", "iteration": iteration if isinstance(iteration, int | float) else None}
    elif "discriminators.0.conv_post.weight_v" in tensors:
        found["kind"] = "sovits discriminator"
    elif any(key.endswith("ar_predict_layer.weight") for key in tensors):
        found["kind"] = "gpt"
    elif header and header.model not in VERSIONS:
        found |= {"kind": "sovits LoRA" if header.lora else "sovits", "version": header.model, "runs_here": False}
    elif any(key.startswith("cfm.") for key in tensors):
        hps = config if isinstance(config, Mapping) else {}
        found |= {"kind": "sovits", "version": checkpoints.version_of(path, tensors, hps)}
        if lora.is_lora(tensors):
            rank = contents.get("lora_rank")
            found |= {"kind": "sovits LoRA", "rank": rank if isinstance(rank, int) else None}
    elif "enc_p.text_embedding.weight" in tensors:
        base = any(key.startswith("enc_q.") for key in tensors)
        found |= {"kind": "sovits base" if base else "sovits", "version": checkpoints.version_of(path, tensors)}
    else:
        found["kind"] = "tensors"
    return tensors, found


def _of_tensors(weights: Mapping[str, Tensor], keys: bool) -> dict[str, Any]:
    types = Counter(str(tensor.dtype).removeprefix("torch.") for tensor in weights.values())
    found: dict[str, Any] = {
        "tensors": len(weights),
        "parameters": sum(math.prod(tensor.shape) for tensor in weights.values()),
        "types": dict(types),
    }
    if keys:
        found["keys"] = {
            key: [list(tensor.shape), str(tensor.dtype).removeprefix("torch.")] for key, tensor in weights.items()
        }
    return found


def as_text(about: Mapping[str, Any]) -> str:
    """Return a description for people: one line a fact, configurations as JSON."""
    rows = []
    for name, value in about.items():
        if name == "keys":
            rows += [f"  {display(key)}  {kind}  {'x'.join(map(str, shape))}" for key, (shape, kind) in value.items()]
        elif name == "models":
            rows += [line for part in value.values() for line in ("", as_text(part))]
        else:
            shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
            rows.append(f"{name}: {printable(str(shown))}")
    return "\n".join(rows)
