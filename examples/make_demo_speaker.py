"""Make the demo speaker: sentences of our own, spoken by flite, one recording over music and one in a hall.

    apt-get install flite
    python examples/make_demo_speaker.py

Reads   examples/sentences.txt       a recording a paragraph, a sentence a line
Writes  examples/demo_speaker/*.ogg  16 kHz mono
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

HERE = Path(__file__).parent
RATE = 16_000
# Long enough to cut at, with a little difference from one to the next.
PAUSES = (0.55, 0.7, 0.6, 0.8)
PEAK = 0.5
NAMES = ("01_river_walk", "02_bread", "03_engineer_with_music", "04_winter", "05_language_in_a_hall", "06_museum")
MUSIC_DB = -17.0
REVERBERATION_SECONDS = 0.7
DIRECT_TO_REVERBERANT_DB = 0.0


def paragraphs(path: Path) -> list[list[str]]:
    """Sentences of each recording."""
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    spoken = [[line for line in block.splitlines() if line and not line.startswith("#")] for block in blocks]
    return [lines for lines in spoken if lines]


def speak(sentence: str, voice: str) -> np.ndarray:
    """One sentence by flite, float32 `[n]` at 16 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        subprocess.run(["flite", "-voice", voice, "-t", sentence, "-o", str(wav)], check=True)
        samples, rate = soundfile.read(wav, dtype="float32")
    assert rate == RATE, f"flite's voice {voice} speaks at {rate} Hz"
    return samples


def recording(sentences: list[str], voice: str) -> np.ndarray:
    """Sentences with pauses between them."""
    parts = [np.zeros(int(0.3 * RATE), np.float32)]
    for i, sentence in enumerate(sentences):
        parts += [speak(sentence, voice), np.zeros(int(PAUSES[i % len(PAUSES)] * RATE), np.float32)]
    samples = np.concatenate(parts)
    return samples * (PEAK / np.abs(samples).max())


def with_music(speech: np.ndarray) -> np.ndarray:
    """Slow chords of plucked, decaying tones under the speech."""
    time = np.arange(2 * RATE) / RATE
    # Semitones from A3: A minor, F, C, G.
    chords = ((0, 3, 7, 12), (-4, 0, 3, 8), (-9, 3, 7, 10), (-2, 2, 5, 10))
    bars = []
    for i in range(-(-len(speech) // len(time))):
        bar = np.zeros(len(time))
        for j, semitone in enumerate(chords[i % len(chords)]):
            frequency = 220 * 2 ** (semitone / 12)
            since = np.maximum(time - 0.25 * j, 0)
            tone = sum(np.sin(2 * np.pi * frequency * k * since) / k**2 for k in (1, 2, 3, 4))
            bar += tone * np.exp(-1.5 * since) * np.minimum(since * 100, 1)
        bars.append(bar)
    music = np.concatenate(bars)[: len(speech)]
    gain = np.sqrt(np.mean(speech**2) / np.mean(music**2)) * 10 ** (MUSIC_DB / 20)
    return speech + gain * music


def in_a_hall(speech: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Speech in a room whose echo falls by 60 dB in REVERBERATION_SECONDS: exponentially decaying noise."""
    length = int(REVERBERATION_SECONDS * RATE)
    time = np.arange(length) / RATE
    echo = random.standard_normal(length) * 10 ** (-3 * time / REVERBERATION_SECONDS)
    echo[: int(0.008 * RATE)] = 0
    echo *= 10 ** (-DIRECT_TO_REVERBERANT_DB / 20) / np.sqrt(np.sum(echo**2))
    echo[0] = 1
    size = len(speech) + length
    return np.fft.irfft(np.fft.rfft(speech, size) * np.fft.rfft(echo, size), size)[: len(speech)]


def main() -> None:
    """Write the recordings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voice", default="rms", help="voice of flite: rms, slt or awb")
    parser.add_argument("--folder", type=Path, default=HERE / "demo_speaker")
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    total = 0.0
    for name, sentences in zip(NAMES, paragraphs(HERE / "sentences.txt"), strict=True):
        samples = recording(sentences, arguments.voice)
        if name.endswith("with_music"):
            samples = with_music(samples)
        if name.endswith("in_a_hall"):
            samples = in_a_hall(samples, random)
        samples *= PEAK / np.abs(samples).max()
        path = arguments.folder / f"{name}.ogg"
        soundfile.write(path, samples, RATE, format="OGG", subtype="VORBIS", compression_level=0.4)
        total += len(samples) / RATE
        print(f"{path.name}  {len(samples) / RATE:6.1f} s  {path.stat().st_size / 1000:6.1f} kB")
    print(f"{total:.1f} s in all")


if __name__ == "__main__":
    main()
