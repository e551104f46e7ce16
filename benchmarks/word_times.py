"""How well word times are found: the demo speaker's sentences, and flite's other voices, against flite's true times.

    python -m benchmarks.word_times MODELS    # MODELS: `voicemill models small MODELS`

What flite says is made into tokens, the token model reads them with the sentence's phones, and the times of its words
are compared with where flite put their phones: starts and ends of words in seconds, errors in milliseconds. So the
aligner is measured, not the synthesis. (The synthesizer's own tokens are aligned the same way.)
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from rapidfuzz.distance import Levenshtein

from voicemill.audio.resampling import resample
from voicemill.gpt_sovits.features import hubert
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.synthesis.fragments import pronounce
from voicemill.gpt_sovits.synthesis.timing import fragment_times
from voicemill.models import locate
from voicemill.pretraining import flite
from voicemill.synthesis.load import Pretrained
from voicemill.text import BY_DICTIONARIES, symbols
from voicemill.text.units import units

SENTENCES = Path(__file__).parents[1] / "examples" / "sentences.txt"


def true_times(segments: list[flite.Segment], phones: list[str], owners: list[int]) -> dict[int, tuple[float, float]]:
    """Return start and end of each word that flite says with phones that stand for ours."""
    begins = dict(enumerate([0.0, *(segment.end for segment in segments)]))
    heard = [at for at, segment in enumerate(segments) if segment.phone != "pau"]
    theirs = [segments[at].phone.replace("ax", "ah") for at in heard]
    times: dict[int, tuple[float, float]] = {}
    for change in Levenshtein.opcodes(phones, theirs):
        if change.src_end - change.src_start != change.dest_end - change.dest_start:
            continue
        for mine, other in zip(
            range(change.src_start, change.src_end), range(change.dest_start, change.dest_end), strict=True
        ):
            at, word = heard[other], owners[mine]
            start, _ = times.get(word, (begins[at], 0.0))
            times[word] = (start, segments[at].end)
    return times


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.word_times", description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("--voices", default="rms,slt,awb", help="rms is the demo speaker")
    parser.add_argument("--sentences", type=int, default=0, help="how many; 0 is all")
    arguments = parser.parse_args()
    pretrained = Pretrained(arguments.models)
    synthesizer = pretrained.synthesizer(
        locate(arguments.models, "sovits-g"), locate(arguments.models, "gpt"), watermark="off"
    )
    assert isinstance(synthesizer.decoder, Decoder)
    lines = [line for line in SENTENCES.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    lines = lines[: arguments.sentences or None]
    print("| voice | words | median | mean | 90 % under | starts, signed median | ends | ms to align a second |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for voice in arguments.voices.split(","):
        errors: list[tuple[float, float]] = []
        took = seconds = 0.0
        for line in lines:
            spoken = flite.speak(line, voice)
            features = synthesizer.hubert(resample(spoken.samples, flite.RATE, hubert.RATE))
            with torch.inference_mode():
                tokens = synthesizer.sovits.extract_codes(features)[0, 0].cpu()
            fragment = pronounce(line, "en", "v2", synthesizer.bert)
            begin = time.perf_counter()
            words = fragment_times(synthesizer.decoder, fragment, tokens.numpy(), "v2", BY_DICTIONARIES)
            took, seconds = took + time.perf_counter() - begin, seconds + len(spoken.samples) / flite.RATE
            own = units(fragment.segments, "v2")
            table = symbols.table("v2")
            phones = [table[phone].rstrip("012").lower() for phone in fragment.phones]
            owned = [(phones[at], index) for index, unit in enumerate(own) for at in range(unit.first, unit.last)]
            times = true_times(spoken.segments, [phone for phone, _ in owned], [index for _, index in owned])
            errors += [(words[index].start - start, words[index].end - end) for index, (start, end) in times.items()]
        signed = 1000 * np.array(errors)
        off = np.abs(signed)
        spread = f"{np.median(off):.0f} ms | {off.mean():.0f} ms | {np.quantile(off, 0.9):.0f} ms"
        bias = f"{np.median(signed[:, 0]):+.0f} ms | {np.median(signed[:, 1]):+.0f} ms"
        print(f"| {voice} | {len(errors)} | {spread} | {bias} | {1000 * took / seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
