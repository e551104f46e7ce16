"""Many voices from one manifest: a run of clone-voice for each speaker, and one table of how they ended."""
