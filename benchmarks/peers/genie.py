"""Genie-TTS 2.0, GPT-SoVITS by ONNX Runtime: its own converter's graphs, driven as its `Core/Inference.py` drives them.

Its package is not imported as a whole, which plays sound and fetches models; its converter is, by path.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np

REQUIREMENTS = ("genie-tts==2.0.2", "onnxruntime==1.22.1", "numpy", "flatbuffers", "protobuf", "packaging")
"""Installed without their dependencies, most of which are for its server and its front-ends."""
GRAPHS = ("t2s_encoder", "t2s_first_stage_decoder", "t2s_stage_decoder", "vits")


def prepare(folder: Path, packages: Path) -> None:
    """Let Genie's converter write its graphs of `sovits.pth` and `gpt.ckpt`; runs where torch and onnx are.

    Args:
        folder: Where the weights are, and where the graphs go.
        packages: site-packages of Genie's environment.
    """
    root = packages / "genie_tts"
    stub = types.ModuleType("genie_tts")
    stub.__path__ = [str(root)]
    sys.modules["genie_tts"] = stub
    target, cache, data = folder / "genie", folder / "genie-cache", root / "Data" / "v2"
    target.mkdir()
    cache.mkdir()
    sovits, gpt = str(folder / "sovits.pth"), str(folder / "gpt.ckpt")

    def converter(name: str) -> types.ModuleType:
        return importlib.import_module(f"genie_tts.Converter.v2.{name}")

    tokens = converter("T2SConverter").T2SModelConverter(
        gpt,
        str(data / "Models" / "t2s_stage_decoder_fp32.onnx"),
        str(data / "Models" / "t2s_first_stage_decoder_fp32.onnx"),
        str(data / "Keys" / "t2s_onnx_keys.txt"),
        str(target),
        str(cache),
    )
    sound = converter("VITSConverter").VITSConverter(
        sovits,
        str(data / "Models" / "vits_fp32.onnx"),
        str(data / "Keys" / "vits_onnx_keys.txt"),
        str(target),
        str(cache),
    )
    for each in (tokens, sound):
        each.run_full_process()
        each.step3_reconstruct_fp32_bin_from_fp16(each.fp16_bin_path, each.reconstructed_fp32_bin_path)
    encoder = str(data / "Models" / "t2s_encoder_fp32.onnx")
    converter("EncoderConverter").EncoderConverter(gpt, sovits, encoder, str(target)).run_full_process()


def load(folder: Path, given: dict[str, np.ndarray], threads: int, variant: str) -> dict[str, Callable[[], int]]:
    """Return the tasks; see `ours`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    encoder, first, stage, vits = (
        onnxruntime.InferenceSession(
            str(folder / "genie" / f"{name}_fp32.onnx"), options, providers=["CPUExecutionProvider"]
        )
        for name in GRAPHS
    )
    names = [each.name for each in stage.get_inputs()]
    count = int(given["count"])

    def tokens() -> int:
        text = {
            "ref_seq": given["ref_phones"][None],
            "text_seq": given["phones"][None],
            "ref_bert": given["ref_bert"],
            "text_bert": given["bert"],
            "ssl_content": given["ssl"],
        }
        x, prompts = encoder.run(None, text)
        y, embedded, *cache = first.run(None, {"x": x, "prompts": prompts})
        for _ in range(count - 1):
            fed = dict(zip(names, [y, embedded, *cache], strict=True))
            y, embedded, _, *cache = stage.run(None, fed)
        return np.asarray(y).shape[1] - np.asarray(prompts).shape[1]

    def sound() -> int:
        fed = {
            "text_seq": given["phones"][None],
            "pred_semantic": given["tokens"][None, None],
            "ref_audio": given["audio"][None],
        }
        return np.size(np.asarray(vits.run(None, fed)[0]))

    return {"tokens": tokens, "sound": sound}
