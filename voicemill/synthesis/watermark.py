"""An inaudible mark in generated speech: the network of resemble-perth, whose weights come in that package (MIT).

Names of shapes: n samples, F frequencies, T frames, W = 128 frequencies below 2 kHz, in which the mark is

The package itself is not imported: it needs pkg_resources and librosa, prints, and unpickles its weights. What it
computes is small, and is computed here, the network by torch (`watermark_network`) or as the graph that a voice of ONNX
graphs carries; a test compares. Source: resemble-ai/Perth, perth_net_implicit/model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from voicemill.audio.resampling import resample
from voicemill.core.errors import MissingModelError, UsageError
from voicemill.gpt_sovits.synthesis import Mark

Choice = Literal["auto", "on", "off"]
"""`auto` marks where the package is installed, `on` refuses to speak where it is not."""

Change = Callable[[np.ndarray], np.ndarray]
"""Levels below 2 kHz `[1, W, T]` -> what the mark adds to them, both from 0 to 1 in `DECIBELS`."""

PACKAGE = "resemble-perth"
GRAPH = "watermark.onnx"
HOW = "pip install 'voicemill[watermark]'"
RATE = 32_000
BAND = 128
DECIBELS = 195.0
"""Levels of -180 to 15 dB are 0 to 1 for the network."""
FLOOR = 1e-9
_WINDOW, _HOP = 2048, 320
_SPEECH_SHARE = 0.05


@functools.cache
def _hann() -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)).astype(np.float32)


def spectrum(samples: np.ndarray) -> np.ndarray:
    """Return the spectrum `[F, T]`, complex64, of samples `[n]`, mirrored at their ends."""
    padded = np.pad(samples, _WINDOW // 2, mode="reflect")
    frames_TF = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP] * _hann()
    return np.fft.rfft(frames_TF).T.astype(np.complex64, copy=False)


def _samples(spectrum_FT: np.ndarray, length: int) -> np.ndarray:
    """Return the samples `[n]` of a spectrum: the inverse of `spectrum`."""
    window = _hann()
    frames_TF = np.fft.irfft(spectrum_FT.T, _WINDOW).astype(np.float32, copy=False) * window
    total = np.zeros(_WINDOW + _HOP * (len(frames_TF) - 1), dtype=np.float32)
    weight = np.zeros_like(total)
    for number, frame in enumerate(frames_TF):
        place = slice(number * _HOP, number * _HOP + _WINDOW)
        total[place] += frame
        weight[place] += window * window
    middle = slice(_WINDOW // 2, _WINDOW // 2 + length)
    return total[middle] / weight[middle]


def levels(spectrum_FT: np.ndarray) -> np.ndarray:
    """Return levels `[F, T]` as the network takes them."""
    return ((20 * np.log10(np.maximum(np.abs(spectrum_FT), FLOOR)) + 180) / DECIBELS).astype(np.float32)


def speaks(level_FT: Any) -> Any:
    """Return in which frames there is sound, bool `[T]`, of levels of torch or of NumPy."""
    total_T = level_FT.sum(0)
    return total_T > _SPEECH_SHARE * total_T.max()


def at_mark_rate(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return samples `[n]` at the rate that marks are made and looked for at."""
    return np.ascontiguousarray(resample(samples.astype(np.float32, copy=False), rate, RATE))


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
    _check(choice)
    if choice == "on" and not is_installed():
        raise MissingModelError(f"speech cannot be watermarked: {PACKAGE} is not installed; {HOW}")
    return Mark(f"{PACKAGE} {version(PACKAGE)}", apply) if choice != "off" and is_installed() else None


def mark_by_graph(choice: Choice, folder: Path) -> Mark | None:
    """Return what marks speech by the graph that a voice carries; None where speech is not to be marked.

    Raises:
        UsageError: The choice is unknown.
        MissingModelError: It is `on`, and the voice has no such graph.
        InputError: The graph is damaged.
    """
    from voicemill.gpt_sovits.onnx.session import metadata, running, session

    _check(choice)
    file = folder / GRAPH
    if choice == "on" and not file.is_file():
        raise MissingModelError(
            f"speech cannot be watermarked: the voice has no {GRAPH}; export it again where {PACKAGE} is installed"
        )
    if choice == "off" or not file.is_file():
        return None
    runs = session(file)

    def change(level_1WT: np.ndarray) -> np.ndarray:
        with running(file.name):
            return np.asarray(runs.run(["change"], {"levels": level_1WT})[0])

    return Mark(metadata(runs).get("name", PACKAGE), functools.partial(apply, change=change))


def _check(choice: str) -> None:
    if choice not in ("auto", "on", "off"):
        raise UsageError(f"watermark must be auto, on or off, not {choice!r}")


def apply(samples: np.ndarray, rate: int, change: Change | None = None) -> np.ndarray:
    """Mark speech. The same samples are marked the same way, always on the CPU.

    Args:
        samples: float32 `[n]`, mono, full scale at 1.
        rate: Their rate in Hz; the mark is made at 32 kHz and brought to it.
        change: The network; None takes the installed package's, by torch.

    Returns:
        float32 `[n]`; a peak can lie a little above full scale.

    Raises:
        MissingModelError: The package is not installed.
        InputError: Its weights are damaged.
    """
    if change is None:
        from voicemill.synthesis.watermark_network import network

        change = network().change
    at_32k = at_mark_rate(samples, rate)
    # Whole frames, and at least as many samples as are mirrored at the ends.
    padded = np.pad(at_32k, (0, max(-len(at_32k) % _HOP, _WINDOW - len(at_32k))))
    spectrum_FT = spectrum(padded)
    level_FT = levels(spectrum_FT)
    gain_WT = change(level_FT[None, :BAND])[0] * speaks(level_FT) * np.float32(DECIBELS)
    difference_FT = np.zeros_like(spectrum_FT)
    difference_FT[:BAND] = spectrum_FT[:BAND] * (10 ** (gain_WT / 20) - 1)
    added = _samples(difference_FT, len(padded))
    at_rate = resample(added[: len(at_32k)], RATE, rate)[: len(samples)]
    return (samples + np.pad(at_rate, (0, len(samples) - len(at_rate)))).astype(np.float32)
