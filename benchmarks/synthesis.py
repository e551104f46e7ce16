"""How fast it speaks: tokens of one line and of sixteen together, and 8 s of sound from tokens.

    python -m benchmarks.synthesis [--against MODULE.py]

Full-size v2 models with seeded random weights on the CPU; see `benchmarks.pairs` for MODULE.py.
"""

from benchmarks.pairs import main

PAIRS = [
    ("s1_infer", "s1_infer"),
    ("s1_infer_fp16", "s1_infer"),
    ("s1_infer_int8", "s1_infer"),
    ("s1_infer_batch", "s1_infer"),
    ("s1_infer_batch_fp16", "s1_infer"),
    ("s2_decode", "s2_decode"),
    ("s2_decode_bf16", "s2_decode"),
]

if __name__ == "__main__":
    assert __doc__
    main(__doc__, PAIRS)
