"""An inaudible mark in generated speech: the network of resemble-perth, whose weights come in that package (MIT).

Names of shapes: n samples, F frequencies, T frames, W = 128 frequencies below 2 kHz, in which the mark is

The package itself is not imported: it needs pkg_resources and librosa, prints, and unpickles its weights. What it
computes is small, and is computed here; a test compares. Source: resemble-ai/Perth, perth_net_implicit/model.
"""

from __future__ import annotations

import functools
import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar, Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voicemill.audio.resampling import resample
from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError, MissingModelError, UsageError
from voicemill.gpt_sovits.formats import safe_reader
from voicemill.gpt_sovits.synthesis import Mark

Choice = Literal["auto", "on", "off"]
"""`auto` marks where the package is installed, `on` refuses to speak where it is not."""

PACKAGE = "resemble-perth"
RATE = 32_000
_WEIGHTS = "perth_net/pretrained/implicit/perth_net_250000.pth.tar"
_SHA256 = "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670"
_WINDOW, _HOP, _BAND, _WIDTH = 2048, 320, 128, 256
_FLOOR = 1e-9
_DECIBELS = 195.0
"""Levels of -180 to 15 dB are 0 to 1 for the network."""
_SPEECH_SHARE = 0.05
_QUIETEST, _ABOVE_NOISE_DB, _NOISE_OVER_FLOOR, _LEAST_GAIN = 0.1, 12.0, 4.0, 0.3
_PIECE_SECONDS = 10.0
_SHORTEST_SECONDS = 1.0
_HOW = "pip install 'voicemill[watermark]'"


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
        super().__init__(Conv(_BAND, _WIDTH, 1), *inner, Conv(_WIDTH, outputs, 1, active=False))


class Network(nn.Module):
    """Changes levels below 2 kHz so that it can tell later that it did."""

    SCALES: ClassVar = {"slow": 1.25, "normal": 1.0, "fast": 0.75}
    """The mark is looked for at three tempos."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"layers": _Layers(_BAND)})
        self.decoder = nn.ModuleDict({f"{tempo}_layers": _Layers(2) for tempo in self.SCALES})

    def gain(self, level_FT: Tensor) -> Tensor:
        """Return what the mark adds to the levels below 2 kHz, in dB `[W, T]`."""
        change_WT = self.encoder["layers"](level_FT[None, :_BAND])[0]
        return change_WT * _speech(level_FT) * _DECIBELS

    def score(self, level_FT: Tensor, counted_T: Tensor | None = None) -> float:
        """Return how much levels look marked, from 0 to 1.

        Args:
            level_FT: Levels, from 0 to 1.
            counted_T: 1 for frames that count, 0 for the others; None counts those in which there is sound.
        """
        speech_11T = (_speech(level_FT) if counted_T is None else counted_T)[None, None]
        if not speech_11T.any():
            return 0.0
        found = []
        for tempo, scale in self.SCALES.items():
            band_1WT = level_FT[None, :_BAND]
            if scale != 1:
                size = int(level_FT.shape[1] * scale)
                band_1WT = F.interpolate(band_1WT, size=size, mode="linear", align_corners=True)
            seen_12T = self.decoder[f"{tempo}_layers"](band_1WT)
            counted_11T = F.interpolate(speech_11T, size=seen_12T.shape[2], mode="nearest")
            found.append((seen_12T * counted_11T).sum(2)[0] / counted_11T.sum().clamp(min=1))
        weight_3, marked_3 = torch.stack(found).unbind(1)
        return float((weight_3.softmax(0) * marked_3).sum().clamp(0, 1))


def _speech(level_FT: Tensor) -> Tensor:
    """Return 1 for frames in which there is sound, 0 for the others `[T]`."""
    total_T = level_FT.sum(0)
    return (total_T > _SPEECH_SHARE * total_T.max()).float()


def _above_noise(level_FT: Tensor) -> Tensor:
    """Return 1 for frames in which speech stands above the noise, 0 for the others `[T]`.

    Where noise covers the mark its score is chance. A frame counts from 12 dB above the quietest tenth, below 2 kHz.
    """
    loudness_T = _DECIBELS * level_FT[:_BAND].mean(0)
    return _speech(level_FT) * (loudness_T > loudness_T.quantile(_QUIETEST) + _ABOVE_NOISE_DB)


def _without_noise(spectrum_FT: Tensor) -> Tensor:
    """Return a spectrum less the steady noise in it (spectral subtraction, Boll 1979), by its quietest tenth."""
    power_FT = spectrum_FT.abs().square()
    # The quietest tenth of noise lies some 3 dB and more below its mean; twice the mean leaves little of its peaks.
    noise_F1 = _NOISE_OVER_FLOOR * power_FT.quantile(_QUIETEST, dim=1, keepdim=True)
    gain_FT = ((power_FT - noise_F1).clamp(min=0) / power_FT.clamp(min=_FLOOR**2)).sqrt()
    return spectrum_FT * gain_FT.clamp(min=_LEAST_GAIN)


def _spectrum(samples: Tensor) -> Tensor:
    window = torch.hann_window(_WINDOW)
    return torch.stft(samples, _WINDOW, _HOP, window=window, center=True, pad_mode="reflect", return_complex=True)


def _levels(spectrum_FT: Tensor) -> Tensor:
    return (20 * spectrum_FT.abs().clamp(min=_FLOOR).log10() + 180) / _DECIBELS


def is_installed() -> bool:
    """Return whether the package with the weights is installed (the extra `watermark`)."""
    try:
        version(PACKAGE)
    except PackageNotFoundError:
        return False
    return True


def mark(choice: Choice = "auto") -> Mark | None:
    """Return what marks speech; None where speech is not to be marked.

    Raises:
        UsageError: The choice is unknown.
        MissingModelError: It is `on`, and the package is not installed.
    """
    if choice not in ("auto", "on", "off"):
        raise UsageError(f"watermark must be auto, on or off, not {choice!r}")
    if choice == "on" and not is_installed():
        raise MissingModelError(f"speech cannot be watermarked: {PACKAGE} is not installed; {_HOW}")
    return Mark(f"{PACKAGE} {version(PACKAGE)}", apply) if choice != "off" and is_installed() else None


@functools.cache
def _network() -> Network:
    if not is_installed():
        raise MissingModelError(f"watermarks can neither be made nor found: {PACKAGE} is not installed; {_HOW}")
    spec = importlib.util.find_spec("perth")
    places = spec.submodule_search_locations if spec else None
    path = Path(places[0]) / _WEIGHTS if places else Path(_WEIGHTS)
    if not path.is_file() or file_digest(path) != _SHA256:
        raise InputError(
            f"{path} is missing or not the weights of {PACKAGE} 1.0.1, by which speech is marked; install it again"
        )
    contents = cast(dict, safe_reader.read_archive(path))
    network = Network()
    weights = {key: value for key, value in contents["model"].items() if not key.startswith("ap.")}
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def apply(samples: np.ndarray, rate: int) -> np.ndarray:
    """Mark speech. The same samples are marked the same way, always on the CPU.

    Args:
        samples: float32 `[n]`, mono, full scale at 1.
        rate: Their rate in Hz; the mark is made at 32 kHz and brought to it.

    Returns:
        float32 `[n]`; a peak can lie a little above full scale.

    Raises:
        MissingModelError: The package is not installed.
        InputError: Its weights are damaged.
    """
    network = _network()
    at_32k = torch.from_numpy(np.ascontiguousarray(resample(samples.astype(np.float32, copy=False), rate, RATE)))
    # Whole frames, and at least as many samples as are mirrored at the ends.
    padded = F.pad(at_32k, (0, max(-len(at_32k) % _HOP, _WINDOW - len(at_32k))))
    spectrum_FT = _spectrum(padded)
    gain_WT = network.gain(_levels(spectrum_FT))
    difference_FT = torch.zeros_like(spectrum_FT)
    difference_FT[:_BAND] = spectrum_FT[:_BAND] * (10 ** (gain_WT / 20) - 1)
    mark = torch.istft(difference_FT, _WINDOW, _HOP, window=torch.hann_window(_WINDOW), length=len(padded))
    at_rate = resample(mark[: len(at_32k)].numpy(), RATE, rate)[: len(samples)]
    return (samples + np.pad(at_rate, (0, len(samples) - len(at_rate)))).astype(np.float32)


@torch.inference_mode()
def scores(samples: np.ndarray, rate: int) -> list[float]:
    """Return how much speech looks marked, from 0 to 1, in pieces of ten seconds.

    Args:
        samples: float32 `[n]`, mono.
        rate: Their rate in Hz.

    Returns:
        One score for each piece; none where there is less than a second.
    """
    network = _network()
    at_32k = torch.from_numpy(np.ascontiguousarray(resample(samples.astype(np.float32, copy=False), rate, RATE)))
    size, shortest = int(_PIECE_SECONDS * RATE), int(_SHORTEST_SECONDS * RATE)
    pieces = [at_32k[start : start + size] for start in range(0, len(at_32k), size)]
    found: list[float] = []
    for piece in pieces:
        if len(piece) >= shortest:
            spectrum_FT = _spectrum(piece)
            counted_T = _above_noise(_levels(spectrum_FT))
            found.append(network.score(_levels(_without_noise(spectrum_FT)), counted_T))
    return found
