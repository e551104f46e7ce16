"""How fast it trains: one optimizer step of each model, and the memory it takes.

    python -m benchmarks.training [--against MODULE.py]

Full-size v2 models with seeded random weights on the CPU; see `benchmarks.pairs` for MODULE.py. Losses of two
implementations differ by the random numbers that dropout and sampling draw; tests/parity compares them without.
"""

from benchmarks.pairs import main

PAIRS = [("s2_train", "s2_train"), ("s1_train", "s1_train")]

if __name__ == "__main__":
    assert __doc__
    main(__doc__, PAIRS)
