"""Loudness by EBU R128 (ITU-R BS.1770), measured by ffmpeg's filter ebur128 through PyAV."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

SILENT_LUFS = -70.0
"""What the gate of BS.1770 hears as silence."""
PEAK_DB = -1.0
"""Highest true peak, in dBTP: lossy coders overshoot."""
_FRAME = 1 << 14


@dataclass(frozen=True)
class Loudness:
    """How loud something is.

    Attributes:
        lufs: Integrated loudness.
        peak_db: True peak in dBTP.
    """

    lufs: float
    peak_db: float

    def gain(self, target_lufs: float) -> float:
        """Return the factor that brings it to a loudness, less where the peak would then be above `PEAK_DB`."""
        if self.lufs <= SILENT_LUFS:
            return 1.0
        return 10 ** (min(target_lufs - self.lufs, PEAK_DB - self.peak_db) / 20)


def measure(blocks: Iterable[np.ndarray], rate: int) -> Loudness:
    """Return how loud mono sound is, taken as heard from two loudspeakers as players do with mono.

    Args:
        blocks: float32 `[n]`, full scale at 1.
        rate: Their rate in Hz.
    """
    from av import AudioFrame
    from av.filter import Graph

    graph = Graph()
    source = graph.add_abuffer(sample_rate=rate, format="flt", layout="mono", time_base=Fraction(1, rate))
    meter = graph.add("ebur128", "metadata=1:peak=true:dualmono=true:framelog=quiet")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    lufs, peak, at = SILENT_LUFS, 0.0, 0

    def pulled() -> None:
        nonlocal lufs, peak
        while True:
            try:
                noted = graph.pull().metadata
            except (BlockingIOError, EOFError):
                return
            lufs = float(noted.get("lavfi.r128.I", lufs))
            peak = max(peak, float(noted.get("lavfi.r128.true_peak", 0.0)))

    for block in blocks:
        for start in range(0, len(block), _FRAME):
            part = np.ascontiguousarray(block[start : start + _FRAME], dtype=np.float32)
            frame = AudioFrame.from_ndarray(part[None], format="flt", layout="mono")
            frame.sample_rate, frame.pts = rate, at
            at += len(part)
            graph.push(frame)
            pulled()
    graph.push(None)
    pulled()
    return Loudness(lufs, 20 * float(np.log10(max(peak, 1e-10))))
