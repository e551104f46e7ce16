"""How fast v4 speaks on the CPU: 4 s of sound from tokens, full size, in 8 steps after 3 s of prompt.

    [GSV_UPSTREAM=CHECKOUT] python -m benchmarks.mel_synthesis [--threads 1] [--rounds 3] [--repeat 1]

Where GSV_UPSTREAM names a checkout of GPT-SoVITS, it is measured too, in turns, with the same seeded random weights and
noise, and the two sounds are compared.
"""

import os
import sys

from benchmarks.pairs import main

PAIRS = [("v4_speak", "v4_speak")]

if __name__ == "__main__":
    assert __doc__
    against = ["--against", "benchmarks/upstream.py"] if os.environ.get("GSV_UPSTREAM") else []
    main(__doc__, PAIRS, [*against, *sys.argv[1:]])
