"""Text front-end: any text to the phones that the public GPT-SoVITS weights were trained on.

Importing this is cheap; a language's dictionaries are read when it is first spoken.
"""

from voicemill.text.frontend import (
    BY_DICTIONARIES,
    ROUTES,
    Phonemes,
    Reading,
    Segment,
    Unpronounced,
    phonemize,
    phonemize_segment,
)
from voicemill.text.lexicon import Lexicon

__all__ = [
    "BY_DICTIONARIES",
    "ROUTES",
    "Lexicon",
    "Phonemes",
    "Reading",
    "Segment",
    "Unpronounced",
    "phonemize",
    "phonemize_segment",
]
