"""How good a voice is, by measures that anyone can repeat: see `python -m benchmarks.quality --help`."""
