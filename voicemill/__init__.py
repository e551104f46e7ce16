"""voicemill turns recordings of a speaker into a voice that speaks new text."""

__version__ = "0.1.0"
