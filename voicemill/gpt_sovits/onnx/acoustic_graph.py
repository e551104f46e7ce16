"""The acoustic model as an ONNX graph: tokens, phonemes and a speaker's embedding to sound.

Inputs (F frames of tokens, P phonemes, T frames of speech, G speaker embedding, C latent channels, L samples):
    tokens      `[1, F]` int64: one for each frame of 20 ms, so that a token of 40 ms comes twice
    phones      `[1, P]` int64
    speaker     `[1, G, 1]` float32: `Generator.reference`
    noise       `[1, C, T]` float32, standard normal: as many frames as are to be spoken
    noise_scale scalar float32
    first       scalar int64: the first frame whose sound is wanted, 0 for all
Output:
    samples     `[1, L]` float32 in [-1, 1]

At a speed of 1 there are as many frames of speech as of tokens; at another, `int(F / speed) + 1`.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicemill.gpt_sovits.onnx.session import ERRORS_ONLY
from voicemill.gpt_sovits.sovits.model import Generator

OPSET = 18
INPUTS = ("tokens", "phones", "speaker", "noise", "noise_scale", "first")
_FRAMES, _PHONES = 24, 12
"""Lengths of the input that is traced; the graph takes any."""


class _Acoustic(nn.Module):
    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator

    def forward(
        self,
        tokens_1F: Tensor,
        phones_1P: Tensor,
        speaker_1G1: Tensor,
        noise_1CT: Tensor,
        noise_scale: Tensor,
        first: Tensor,
    ) -> Tensor:
        model = self.generator
        content_1CF = model.codebook.decode(tokens_1F)
        mask_11F, mask_11P = torch.ones_like(content_1CF[:, :1]), torch.ones_like(phones_1P).unsqueeze(1).float()
        hidden_1CF, _ = model.enc_p.hidden(content_1CF, mask_11F, phones_1P, mask_11P, model.for_text(speaker_1G1))
        # Changes nothing where there are as many frames of speech as of tokens.
        hidden_1CT = F.interpolate(hidden_1CF, size=noise_1CT.shape[-1], mode="linear")
        mean_1CT, logs_1CT = model.enc_p.proj(hidden_1CT).chunk(2, dim=1)
        drawn_1CT = (mean_1CT + noise_1CT * torch.exp(logs_1CT) * noise_scale)[:, :, first:]
        z_1CT = model.flow.reverse(drawn_1CT, torch.ones_like(drawn_1CT[:, :1]), speaker_1G1)
        return model.dec(z_1CT, speaker_1G1)[:, 0]


def acoustic_graph(generator: Generator) -> onnx.ModelProto:
    """Return the graph of a generator that `for_inference` has prepared, on the CPU, with its plain vocoder."""
    config = generator.config
    inputs = (
        torch.zeros(1, _FRAMES, dtype=torch.long),
        torch.zeros(1, _PHONES, dtype=torch.long),
        torch.zeros(1, config.gin_channels, 1),
        torch.zeros(1, config.inter_channels, _FRAMES),
        torch.tensor(0.5),
        torch.tensor(0),
    )
    with tempfile.TemporaryDirectory(prefix="voicemill-onnx-") as folder, warnings.catch_warnings():
        file = Path(folder) / "acoustic.onnx"
        # Tracing warns of every Python number it meets; the tests compare other lengths with the model itself.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Acoustic(generator).eval(),
            inputs,
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=["samples"],
            dynamic_axes={"tokens": {1: "F"}, "phones": {1: "P"}, "noise": {2: "T"}, "samples": {1: "L"}},
        )
        return _folded(file)


def _folded(file: Path) -> onnx.ModelProto:
    """Return a traced graph with everything computed that no input changes, such as a weight of its norm."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(file.with_suffix(".folded"))
    options.log_severity_level = ERRORS_ONLY
    onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return onnx.load(options.optimized_model_filepath)
