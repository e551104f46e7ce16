"""What a thousand speakers cost the scheduler, without models: see `python -m benchmarks.scale --help`."""
