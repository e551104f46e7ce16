"""Lines to one audio file: pauses, loudness, chapters, subtitles."""
