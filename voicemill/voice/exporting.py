"""A voice folder to the files that other programs load: GPT-SoVITS's own, or ONNX graphs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Literal

from voicemill.core.errors import InputError
from voicemill.core.extras import needs
from voicemill.dataset.labels import Label, one_line, write
from voicemill.gpt_sovits.formats import checkpoints, safetensors_files
from voicemill.voice.manifest import Voice, read_voice


def export_voice(folder: Path, target: Path) -> Voice:
    """Write `<speaker>.pth`, `<speaker>.ckpt`, the reference recording and its text as `reference.list`.

    The `.pth` has the two bytes that tell GPT-SoVITS the version of v2Pro and v2ProPlus; both hold half precision.

    Args:
        folder: A voice.
        target: Existing empty folder.

    Raises:
        InputError: When the folder is not a voice, or damaged.
    """
    voice = read_voice(folder)
    name = _file_name(voice.speaker)
    sovits, gpt = folder / voice.sovits.file, folder / voice.gpt.file
    safetensors_files.export_files(sovits, gpt, target / f"{name}.pth", target / f"{name}.ckpt")
    _write_reference(voice, folder, target)
    return voice


OnnxWeights = Literal["fp32", "int8", "int4"]
ONNX_VERSIONS = ("v1", "v2", "v2Pro", "v2ProPlus")
"""Of v3 and v4 only the token model could be a graph; the sound comes from many steps of another model."""


def export_onnx(folder: Path, target: Path, weights: OnnxWeights = "fp32") -> Voice:
    """Write `tokens.onnx`, `acoustic.onnx` and what a program must know to run them, `onnx.json`.

    What the graphs take and give is described in `voicemill.gpt_sovits.onnx.token_graph` and `acoustic_graph`.

    Args:
        folder: A voice.
        target: Existing empty folder.
        weights: Of the token model's products; int8 and int4 are in blocks, which only ONNX Runtime multiplies.

    Raises:
        InputError: When the folder is not a voice, or damaged, or of a version without such a graph.
        MissingExtra: When the package onnx is not installed.
    """
    with needs("voice"):
        import onnx

        from voicemill.gpt_sovits.onnx.acoustic_graph import acoustic_graph
        from voicemill.gpt_sovits.onnx.quantization import quantize
        from voicemill.gpt_sovits.onnx.token_graph import token_graph
    from voicemill.gpt_sovits.gpt.config import GptConfig
    from voicemill.gpt_sovits.gpt.model import Gpt

    voice = read_voice(folder)
    if voice.version not in ONNX_VERSIONS:
        known = ", ".join(ONNX_VERSIONS)
        raise InputError(f"{folder} is a {voice.version} voice; ONNX graphs can be written of {known}")
    token = checkpoints.load_gpt(folder / voice.gpt.file)
    acoustic = checkpoints.load_sovits(folder / voice.sovits.file)
    graph = token_graph(Gpt.from_checkpoint(token.config, token.weights).float().eval())
    onnx.save(graph if weights == "fp32" else quantize(graph, int(weights[-1])), target / "tokens.onnx")
    generator = checkpoints.build_generator(acoustic)
    onnx.save(acoustic_graph(generator), target / "acoustic.onnx")
    about = {
        "speaker": voice.speaker,
        "version": voice.version,
        "sampling_rate": voice.sampling_rate,
        "weights": weights,
        "token_model": GptConfig.from_dict(token.config).to_dict()["model"],
        "frames_per_token": generator.token_frames,
        "latent_channels": generator.config.inter_channels,
        "speaker_channels": generator.config.gin_channels,
    }
    (target / "onnx.json").write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    _write_reference(voice, folder, target)
    return voice


def _file_name(speaker: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in speaker).lstrip(".") or "voice"


def _write_reference(voice: Voice, folder: Path, target: Path) -> None:
    clip = voice.reference
    shutil.copyfile(folder / clip.file, target / "reference.wav")
    label = Label("reference.wav", _file_name(voice.speaker), clip.language, one_line(clip.text))
    write(target / "reference.list", [label])
