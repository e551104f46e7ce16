"""One small program per stage, thin over the library: `python -m stages.slice --help`."""
