"""Speech that sounds otherwise and says the same: another microphone, another room, noise."""

from __future__ import annotations

import numpy as np

BANDS = 8
"""Points of the random equalizer between 0 Hz and half the sampling rate."""
EQUALIZER_DB = 6.0
ROOM_SECONDS = (0.05, 0.5)
IN_A_ROOM = 0.4
SNR_DB = (5.0, 45.0)


def disguise(wav: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Equalize, reverberate and add noise, each as much as the dice say.

    Args:
        wav: float32 `[n]`.
        rate: In Hz.
        rng: Decides everything.

    Returns:
        float32 `[n]` of the same level.
    """
    echo = int(ROOM_SECONDS[1] * rate)
    size = len(wav) + echo
    spectrum = np.fft.rfft(wav, size)
    gains_db = rng.uniform(-EQUALIZER_DB, EQUALIZER_DB, BANDS)
    places = np.linspace(0, BANDS - 1, len(spectrum))
    spectrum *= 10 ** (np.interp(places, np.arange(BANDS), gains_db) / 20)
    if rng.random() < IN_A_ROOM:
        spectrum *= np.fft.rfft(_room(rate, echo, rng), size)
    changed = np.fft.irfft(spectrum, size)[: len(wav)]
    level = np.sqrt(np.mean(wav**2)) + 1e-6
    changed *= level / (np.sqrt(np.mean(changed**2)) + 1e-6)
    noise = rng.standard_normal(len(wav))
    # Noise of rooms and roads is stronger at low frequencies; half of the clips have such.
    if rng.random() < 0.5:
        noise = np.cumsum(noise - noise.mean())
        noise -= np.linspace(noise[0], noise[-1], len(noise))
    noise *= level * 10 ** (-rng.uniform(*SNR_DB) / 20) / np.sqrt(np.mean(noise**2))
    return (changed + noise).astype(np.float32)


def _room(rate: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """Impulse response: the sound itself, then exponentially decaying noise."""
    seconds, direct_db = rng.uniform(*ROOM_SECONDS), rng.uniform(3.0, 15.0)
    time = np.arange(length) / rate
    echo = rng.standard_normal(length) * 10 ** (-3 * time / seconds)
    echo[: int(0.003 * rate)] = 0
    echo *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(echo**2))
    echo[0] = 1.0
    return echo
