"""Voices in and out: GPT-SoVITS's files to a voice folder, a folder back to files, and what a file holds."""
