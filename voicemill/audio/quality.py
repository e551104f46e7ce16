"""Is a recording noisy, is it reverberant: measured blindly, without a clean original.

Noise: DNSMOS P.835 (Reddy, Gopal, Cutler, "DNSMOS P.835: A Non-Intrusive Perceptual Objective Speech Quality Metric to
Evaluate Noise Suppressors", ICASSP 2022), whose network ships in the package `speechmos`. Its BAK is the opinion that
listeners would have of the background, 1 (very intrusive) to 5 (not noticeable).

Reverberation: how fast sound dies away, from the distribution of decay rates (Wen, Habets, Naylor, "Blind estimation of
reverberation time based on the distribution of signal decay rates", ICASSP 2008). A room with a reverberation time T
lets no band fall much faster than 60/T dB/s, however abruptly the speaker stops.

The thresholds come from benchmarks/quality_gates.py, which prints the confusion table.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from voicemill.audio.resampling import resample
from voicemill.core import untrusted
from voicemill.core.digests import file_digest

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Gate = Literal["auto", "always", "never"]

KEPT = "quality.json"
"""Beside recordings: what was measured of them."""

RATE = 16_000
# What DNSMOS hears at once, as it was trained.
WINDOW = int(9.01 * RATE)
MAX_WINDOWS = 8

# Clean speakers score 2.8 to 4.2, mixtures with 10 dB of noise or more 1.1 to 2.3.
NOISY_BAK = 2.6
# Clean speakers die away at 210 to 330 dB/s, at T = 0.3 s 170 to 230, at T = 0.5 s and more 90 to 160.
REVERBERANT_DECAY = 165.0

BANDS_HZ = ((200, 500), (500, 1000), (1000, 2000), (2000, 4000), (4000, 7000))
HOP = RATE // 100
DECAY_FRAMES = 12
STEEPEST_PERCENT = 3
# Where noise fills the pauses, decays end in it and say nothing of the room.
CLEAR_RANGE_DB = 25.0
# With so many clear bands, reverberation alone explains a low BAK.
EXPLAINING_BANDS = 3


@dataclass(frozen=True)
class Quality:
    """What was measured of a recording.

    Attributes:
        bak: DNSMOS opinion of the background, 1 to 5.
        sig: Of the speech itself.
        ovrl: Of both.
        decay: Decay rate of the steepest decays in dB/s, None where noise covers them.
        clear_bands: In how many of the five bands it could be measured.
    """

    bak: float
    sig: float
    ovrl: float
    decay: float | None
    clear_bands: int

    @property
    def reverberant(self) -> bool:
        return self.decay is not None and self.decay < REVERBERANT_DECAY

    @property
    def noisy(self) -> bool:
        # Reverberation alone lowers BAK too.
        explained = self.reverberant and self.clear_bands >= EXPLAINING_BANDS
        return self.bak < NOISY_BAK and not explained


def opens(gate: Gate, needed: bool) -> bool:
    """Return whether a recording goes through a cleaning stage: by its quality (`auto`), in any case, or in none."""
    return gate == "always" or (gate == "auto" and needed)


def measure(samples: np.ndarray, rate: int) -> Quality:
    """Measure a recording; the time it takes does not grow with its length.

    Args:
        samples: float32 `[n]`, at least one.
        rate: Their rate in Hz.
    """
    excerpts = [_at_level(resample(excerpt, rate, RATE)) for excerpt in _excerpts(samples, rate)]
    opinions = np.mean([dnsmos(excerpt) for excerpt in excerpts], axis=0)
    sig, bak, ovrl = (round(float(opinion), 3) for opinion in opinions)
    decay, clear_bands = decay_rate(np.concatenate(excerpts))
    return Quality(bak, sig, ovrl, None if decay is None else round(decay, 1), clear_bands)


def keep(measured: Mapping[str, Quality], folder: Path) -> None:
    """Write what was measured of recordings beside their files, for `kept`.

    Args:
        measured: By the recordings' names.
        folder: Folder of `<recording>.wav`.
    """
    rows = {name: {"sha256": file_digest(folder / f"{name}.wav"), **asdict(one)} for name, one in measured.items()}
    if rows:
        (folder / KEPT).write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def kept(recordings: Mapping[str, Path]) -> dict[str, Quality]:
    """Return what was measured of recordings already, by name; one whose file has changed since is left out.

    Args:
        recordings: By name.

    Raises:
        InputError: The file in which it was kept is damaged.
    """
    found: dict[str, Quality] = {}
    for folder in {path.parent for path in recordings.values()}:
        if not (folder / KEPT).is_file():
            continue
        hint = "delete it, and all is measured again"
        content = untrusted.read_json(folder / KEPT, dict, hint=hint)
        rows = untrusted.shaped(dict[str, _Kept], content, folder / KEPT, hint=hint)
        for name, path in recordings.items():
            row = rows.get(name)
            if row and path.parent == folder and row.sha256 == file_digest(path):
                found[name] = Quality(row.bak, row.sig, row.ovrl, row.decay, row.clear_bands)
    return found


@dataclass(frozen=True)
class _Kept(Quality):
    """With the digest of the file that it was measured of."""

    sha256: str


def _excerpts(samples: np.ndarray, rate: int) -> list[np.ndarray]:
    """At most eight windows, spread evenly; those in which next to nothing sounds are left out."""
    length = WINDOW * rate // RATE
    if len(samples) <= length:
        return [samples]
    count = min(MAX_WINDOWS, -(-len(samples) // length))
    starts = np.linspace(0, len(samples) - length, count).astype(int)
    windows = [samples[start : start + length] for start in starts]
    powers = np.array([float(np.var(window)) for window in windows])
    return [window for window, power in zip(windows, powers, strict=True) if power >= powers.max() / 1000]


def _at_level(samples: np.ndarray) -> np.ndarray:
    centred = samples - samples.mean()
    peak = np.abs(centred).max(initial=0)
    return centred * np.float32(0.5 / peak) if peak > 0 else centred


def dnsmos(samples: np.ndarray) -> np.ndarray:
    """DNSMOS P.835 of one window.

    Args:
        samples: float32 `[n]` at 16 kHz within full scale; shorter than 9.01 s it is repeated, longer it is cut.

    Returns:
        float64 `[3]`: SIG, BAK, OVRL, on the scale of the listening tests.
    """
    window = np.resize(samples, WINDOW).astype(np.float32)
    raw = np.asarray(_dnsmos_session().run(None, {"input_1": window[None]})[0], np.float64)[0]
    # From the network's scale to the listeners', as fitted by its authors (DNS-Challenge, dnsmos_local.py).
    quadratic = np.array([-0.08397278, -0.13166888, -0.06766283])
    linear = np.array([1.22083953, 1.60915514, 1.11546468])
    constant = np.array([0.0052439, -0.39604546, 0.04602535])
    return quadratic * raw**2 + linear * raw + constant


@cache
def _dnsmos_session() -> "InferenceSession":
    import onnxruntime

    package = find_spec("speechmos")
    assert package and package.origin, "the package speechmos, which carries the DNSMOS network, is not installed"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    network = Path(package.origin).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
    return onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])


def decay_rate(samples: np.ndarray) -> tuple[float | None, int]:
    """Return how fast the speech dies away at its steepest.

    In each of five bands: the level every 10 ms, its slope over 120 ms, and the slope that only 3 % are steeper than.

    Args:
        samples: float32 `[n]` at 16 kHz.

    Returns:
        The mean over the bands whose pauses lie 25 dB below their loudest sounds, in dB/s (None if there are fewer than
        two such bands), and the number of those bands.
    """
    from scipy.signal import ShortTimeFFT

    if len(samples) < RATE // 2:
        return None, 0
    transform = ShortTimeFFT(np.hanning(512), HOP, RATE)
    power = np.abs(transform.stft(samples)) ** 2
    times = np.arange(DECAY_FRAMES) * HOP / RATE
    times -= times.mean()
    decays = []
    for low, high in BANDS_HZ:
        band = power[(transform.f >= low) & (transform.f < high)].sum(axis=0)
        level = 10 * np.log10(band + 1e-12)
        if np.percentile(level, 98) - np.percentile(level, 5) >= CLEAR_RANGE_DB:
            slopes = np.lib.stride_tricks.sliding_window_view(level, DECAY_FRAMES) @ times / (times @ times)
            decays.append(-np.percentile(slopes, STEEPEST_PERCENT))
    return (float(np.mean(decays)) if len(decays) >= 2 else None), len(decays)
