"""SoVITS: semantic tokens and phonemes to speech in the voice of a reference."""
