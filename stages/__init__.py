"""One small program per stage, thin over the library: `python -m voicemill.stages.slice --help`."""
