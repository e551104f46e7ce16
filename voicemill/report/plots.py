"""Plots of the page, as inline SVG for lines and bars and PNG for what is dense."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from voicemill.report.sound import Snippet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, ACCENT, SECOND = "#1f2933", "#cbd2d9", "#0b7285", "#d9480f"
_FFT = 1024
_FLOOR_DB = -80.0


def wave_and_spectrogram(snippet: Snippet, highest_hz: float) -> str:
    """Return a recording's waveform over its spectrogram (dB below the loudest), as an `<img>`.

    Args:
        snippet: What to draw.
        highest_hz: Top of the frequency axis, the same for pictures that are compared.
    """
    figure, (top, bottom) = _figure(4.4, 2.5, rows=2, heights=(1, 2))
    seconds = len(snippet.samples) / snippet.rate
    low, high = _envelope(snippet.samples, 900)
    top.fill_between(np.linspace(0, seconds, len(low)), low, high, color=ACCENT, linewidth=0)
    top.set(xlim=(0, seconds or 1), ylim=(-1, 1), xticks=[], yticks=[])
    levels = _spectrogram_db(snippet.samples)
    extent = (0, seconds or 1, 0, snippet.rate / 2000)
    bottom.imshow(levels, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=_FLOOR_DB, vmax=0)
    bottom.set(ylim=(0, highest_hz / 1000), xlabel="s", ylabel="kHz", facecolor="black")
    return _png(figure, "waveform and spectrogram")


def histogram(values: Sequence[float], xlabel: str, ylabel: str) -> str:
    """Return how often which value occurs, as inline SVG."""
    figure, (axes,) = _figure(5.6, 2.4)
    edges = np.arange(0, np.ceil(max(values)) + 1, 0.5 if max(values) < 16 else 1.0)
    axes.hist(values, bins=edges.tolist(), color=ACCENT, edgecolor="white", linewidth=0.6)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return _svg(figure, f"histogram of {xlabel}")


def curves(series: Mapping[str, Sequence[tuple[float, float]]], xlabel: str) -> str:
    """Small multiples of series of (x, y), each on its own scale, as inline SVG; noisy ones with their running mean."""
    columns = min(4, len(series))
    rows = -(-len(series) // columns)
    figure, panels = _figure(2.6 * columns, 1.9 * rows, rows=rows, columns=columns)
    for axes, (name, points) in zip(panels, series.items(), strict=False):
        x, y = np.array(points, float).T
        smooth = _running_mean(y, max(1, len(y) // 25))
        noisy = len(y) > 50
        marker = "o" if len(y) < 30 else ""
        axes.plot(x, y, color=FAINT if noisy else ACCENT, linewidth=1.2, marker=marker, markersize=2.5)
        if noisy:
            axes.plot(x, smooth, color=ACCENT, linewidth=1.6)
        axes.set_title(name, fontsize=8, color=INK, loc="left")
    for axes in panels[len(series) :]:
        axes.axis("off")
    for axes in panels[::-1][: columns + len(panels) - len(series)]:
        axes.set_xlabel(xlabel)
    return _svg(figure, "curves of training")


def scatter_pairs(rows: Sequence[Mapping[str, Any]]) -> str:
    """Evaluated pairs by error rate and similarity, the best one marked, as inline SVG."""
    figure, (axes,) = _figure(4.2, 2.6)
    for row in rows:
        size, color = (90, SECOND) if row["best"] else (36, ACCENT)
        axes.scatter(row["error_rate"], row["similarity"], s=size, color=color, zorder=3)
    widest = max(1.0, *(row["error_rate"] for row in rows))
    lowest = min(0.0, *(row["similarity"] for row in rows))
    axes.set(xlim=(-0.05, 1.05 * widest), ylim=(lowest - 0.05, 1.05))
    axes.set(xlabel="error rate (less is better)", ylabel="similarity")
    axes.grid(color=FAINT, linewidth=0.5)
    return _svg(figure, "error rate and similarity of the pairs")


def _figure(
    width: float, height: float, rows: int = 1, columns: int = 1, heights: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    panels: list[Axes] = list(grid.flat)
    for axes in panels:
        axes.tick_params(labelsize=7, colors=INK, length=2)
        axes.yaxis.get_offset_text().set(fontsize=7)
        axes.xaxis.label.set(fontsize=8, color=INK)
        axes.yaxis.label.set(fontsize=8, color=INK)
        for side, spine in axes.spines.items():
            spine.set(visible=side in ("left", "bottom"), color=FAINT)
    return figure, panels


def _envelope(samples: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest sample of each of `points` stretches."""
    stretches = np.array_split(samples, min(points, max(len(samples), 1)))
    return (
        np.array([stretch.min(initial=0) for stretch in stretches]),
        np.array([stretch.max(initial=0) for stretch in stretches]),
    )


def _spectrogram_db(samples: np.ndarray) -> np.ndarray:
    """Magnitudes [frequencies, frames] in dB below the loudest."""
    padded = np.pad(samples, (0, max(0, _FFT - len(samples))))
    hop = max(_FFT // 4, len(padded) // 700)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::hop]
    magnitudes = np.abs(np.fft.rfft(frames * np.hanning(_FFT), axis=1)).T
    loudest = magnitudes.max(initial=0)
    return 20 * np.log10(np.maximum(magnitudes / (loudest or 1.0), 10 ** (_FLOOR_DB / 20)))


def _running_mean(values: np.ndarray, width: int) -> np.ndarray:
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.ones(width) / width, "valid")


def _svg(figure: Figure, alternative: str) -> str:
    import matplotlib

    file = io.StringIO()
    # Fixed metadata and ids: the same run gives the same page, byte for byte.
    with matplotlib.rc_context({"svg.hashsalt": alternative, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    svg = re.sub(r"^.*?(?=<svg)", "", file.getvalue(), flags=re.DOTALL)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{alternative}" ', 1)


def _png(figure: Figure, alternative: str) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return f'<img alt="{alternative}" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'
