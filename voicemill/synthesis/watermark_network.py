"""The network of resemble-perth in torch, by which watermarks are made and found; `watermark` has what is around it.

Names of shapes: n samples, F frequencies, T frames, W = 128 frequencies below 2 kHz, in which the mark is
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError, MissingModelError
from voicemill.gpt_sovits.formats import safe_reader
from voicemill.synthesis import watermark
from voicemill.synthesis.watermark import (
    BAND,
    DECIBELS,
    FLOOR,
    HOW,
    PACKAGE,
    RATE,
    at_mark_rate,
    levels,
    speaks,
    spectrum,
)

_WEIGHTS = "perth_net/pretrained/implicit/perth_net_250000.pth.tar"
_SHA256 = "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670"
_WIDTH = 256
_QUIETEST, _ABOVE_NOISE_DB, _NOISE_OVER_FLOOR, _LEAST_GAIN = 0.1, 12.0, 4.0, 0.3
_PIECE_SECONDS = 10.0
_SHORTEST_SECONDS = 1.0


class _Layers(nn.Sequential):
    """Seven convolutions over time; the names of their weights are the package's."""

    def __init__(self, outputs: int):
        class Conv(nn.Module):
            def __init__(self, inputs: int, outputs: int, size: int, active: bool = True):
                super().__init__()
                self.conv, self.active = nn.Conv1d(inputs, outputs, size, padding=size // 2), active

            def forward(self, x: Tensor) -> Tensor:
                return F.leaky_relu(self.conv(x)) if self.active else self.conv(x)

        inner = [Conv(_WIDTH, _WIDTH, 7) for _ in range(5)]
        super().__init__(Conv(BAND, _WIDTH, 1), *inner, Conv(_WIDTH, outputs, 1, active=False))


class Network(nn.Module):
    """Changes levels below 2 kHz so that it can tell later that it did."""

    SCALES: ClassVar = {"slow": 1.25, "normal": 1.0, "fast": 0.75}
    """The mark is looked for at three tempos."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"layers": _Layers(BAND)})
        self.decoder = nn.ModuleDict({f"{tempo}_layers": _Layers(2) for tempo in self.SCALES})

    @torch.inference_mode()
    def change(self, level_1WT: np.ndarray) -> np.ndarray:
        """Return what the mark adds to levels `[1, W, T]`, as `watermark.apply` asks for it."""
        return self.encoder["layers"](torch.from_numpy(level_1WT)).numpy()

    def score(self, level_FT: Tensor, counted_T: Tensor | None = None) -> float:
        """Return how much levels look marked, from 0 to 1.

        Args:
            level_FT: Levels, from 0 to 1.
            counted_T: 1 for frames that count, 0 for the others; None counts those in which there is sound.
        """
        speech_11T = (speaks(level_FT).float() if counted_T is None else counted_T)[None, None]
        if not speech_11T.any():
            return 0.0
        found = []
        for tempo, scale in self.SCALES.items():
            band_1WT = level_FT[None, :BAND]
            if scale != 1:
                size = int(level_FT.shape[1] * scale)
                band_1WT = F.interpolate(band_1WT, size=size, mode="linear", align_corners=True)
            seen_12T = self.decoder[f"{tempo}_layers"](band_1WT)
            counted_11T = F.interpolate(speech_11T, size=seen_12T.shape[2], mode="nearest")
            found.append((seen_12T * counted_11T).sum(2)[0] / counted_11T.sum().clamp(min=1))
        weight_3, marked_3 = torch.stack(found).unbind(1)
        return float((weight_3.softmax(0) * marked_3).sum().clamp(0, 1))


def _above_noise(level_FT: Tensor) -> Tensor:
    """Return 1 for frames in which speech stands above the noise, 0 for the others `[T]`.

    Where noise covers the mark its score is chance. A frame counts from 12 dB above the quietest tenth, below 2 kHz.
    """
    loudness_T = DECIBELS * level_FT[:BAND].mean(0)
    return speaks(level_FT).float() * (loudness_T > loudness_T.quantile(_QUIETEST) + _ABOVE_NOISE_DB)


def _without_noise(spectrum_FT: Tensor) -> Tensor:
    """Return a spectrum less the steady noise in it (spectral subtraction, Boll 1979), by its quietest tenth."""
    power_FT = spectrum_FT.abs().square()
    # The quietest tenth of noise lies some 3 dB and more below its mean; twice the mean leaves little of its peaks.
    noise_F1 = _NOISE_OVER_FLOOR * power_FT.quantile(_QUIETEST, dim=1, keepdim=True)
    gain_FT = ((power_FT - noise_F1).clamp(min=0) / power_FT.clamp(min=FLOOR**2)).sqrt()
    return spectrum_FT * gain_FT.clamp(min=_LEAST_GAIN)


@functools.cache
def network() -> Network:
    """Return the network, its weights from the installed package.

    Raises:
        MissingModelError: It is not installed.
        InputError: Its weights are damaged.
    """
    if not watermark.is_installed():
        raise MissingModelError(f"watermarks can neither be made nor found: {PACKAGE} is not installed; {HOW}")
    spec = importlib.util.find_spec("perth")
    places = spec.submodule_search_locations if spec else None
    path = Path(places[0]) / _WEIGHTS if places else Path(_WEIGHTS)
    if not path.is_file() or file_digest(path) != _SHA256:
        raise InputError(
            f"{path} is missing or not the weights of {PACKAGE} 1.0.1, by which speech is marked; install it again"
        )
    contents = cast(dict, safe_reader.read_archive(path))
    made = Network()
    weights = {key: value for key, value in contents["model"].items() if not key.startswith("ap.")}
    made.load_state_dict(weights)
    return made.eval().requires_grad_(False)


@torch.inference_mode()
def scores(samples: np.ndarray, rate: int) -> list[float]:
    """Return how much speech looks marked, from 0 to 1, in pieces of ten seconds.

    Args:
        samples: float32 `[n]`, mono.
        rate: Their rate in Hz.

    Returns:
        One score for each piece; none where there is less than a second.
    """
    at_32k = at_mark_rate(samples, rate)
    size, shortest = int(_PIECE_SECONDS * RATE), int(_SHORTEST_SECONDS * RATE)
    pieces = [at_32k[start : start + size] for start in range(0, len(at_32k), size)]
    found: list[float] = []
    for piece in pieces:
        if len(piece) >= shortest:
            spectrum_FT = spectrum(piece)
            counted_T = _above_noise(torch.from_numpy(levels(spectrum_FT)))
            quiet_FT = _without_noise(torch.from_numpy(spectrum_FT)).numpy()
            found.append(network().score(torch.from_numpy(levels(quiet_FT)), counted_T))
    return found
