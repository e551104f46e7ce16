"""How soon streamed speech is heard, how it differs from the same speech as a whole, and how many clients one machine
serves.

    python -m benchmarks.serving VOICE --models DIR

Prints one JSON object; seconds are of this machine, ratios and errors are what to compare.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from benchmarks.soak import SENTENCE
from voicemill.gpt_sovits.synthesis.streaming import Stream, StreamingSynthesizer
from voicemill.synthesis.options import options_of
from voicemill.synthesis.speaking import load_voice

CLIENTS = (1, 4, 16)


def main() -> None:
    """Measure a voice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("voice", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--clients", type=int, nargs="*", default=CLIENTS)
    given = parser.parse_args()
    speaking = load_voice(given.voice, given.models)
    synthesizer, generation = speaking.synthesizer, speaking.voice.generation
    prompt, options = synthesizer.prepare(generation.prompt(speaking.reference)), options_of(generation)
    script = synthesizer.script(SENTENCE, "en", text_split=options.text_split)
    synthesizer.perform([script], prompt, options)
    began = time.perf_counter()
    whole = synthesizer.perform([script], prompt, options)[0]
    offline = time.perf_counter() - began
    pieces: list[np.ndarray] = []
    first: list[float] = []

    def hear(samples: np.ndarray) -> None:
        first.append(time.perf_counter() - began)
        pieces.append(samples)

    began = time.perf_counter()
    run(StreamingSynthesizer(synthesizer), [Stream(script, prompt, options, hear)])
    streamed = np.concatenate(pieces)
    steps, joins = np.abs(np.diff(streamed)), np.cumsum([len(piece) for piece in pieces])[:-1]
    fade = whole.rate // 25
    at_joins = max((steps[join - fade : join + fade].max() for join in joins), default=0.0)
    found = {
        "seconds_of_speech": round(whole.seconds, 2),
        "offline_first_sound_s": round(offline, 3),
        "streamed_first_sound_s": round(first[0], 3),
        "streamed_whole_s": round(first[-1], 3),
        "chunks": len(pieces),
        "error_rms_relative": round(float(np.std(streamed - whole.samples) / np.std(whole.samples)), 4),
        "largest_step_at_joins": round(float(at_joins), 4),
        "largest_step_of_the_whole": round(float(np.abs(np.diff(whole.samples)).max()), 4),
        "throughput": [throughput(synthesizer, prompt, options, clients) for clients in given.clients],
    }
    print(json.dumps(found, indent=2))


def throughput(synthesizer, prompt, options, clients: int) -> dict[str, float]:
    """Seconds of speech that are made in a second for so many clients at once."""
    made: list[int] = []
    first: dict[int, float] = {}
    began = time.perf_counter()

    def stream(number: int) -> Stream:
        def hear(samples: np.ndarray) -> None:
            first.setdefault(number, time.perf_counter() - began)
            made.append(len(samples))

        script = synthesizer.script(SENTENCE, "en", text_split=options.text_split, seed=number)
        return Stream(script, prompt, options, hear)

    streams = [stream(number) for number in range(clients)]
    began = time.perf_counter()
    run(StreamingSynthesizer(synthesizer), streams)
    took = time.perf_counter() - began
    return {
        "clients": clients,
        "speech_per_second": round(sum(made) / synthesizer.sound.rate / took, 2),
        "median_first_sound_s": round(float(np.median(list(first.values()))), 2),
    }


def run(speaker: StreamingSynthesizer, streams: list[Stream]) -> None:
    """Speak to the end."""
    for stream in streams:
        speaker.begin(stream)
    while speaker.streams:
        speaker.step()


if __name__ == "__main__":
    main()
