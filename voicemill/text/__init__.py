"""Text front-end: any text to the phones that the public GPT-SoVITS weights were trained on.

Importing this is cheap; a language's dictionaries are read when it is first spoken.
"""

from voicemill.text.frontend import ROUTES, Phonemes, Segment, Unpronounced, phonemize, phonemize_segment
from voicemill.text.lexicon import Lexicon

__all__ = ["ROUTES", "Lexicon", "Phonemes", "Segment", "Unpronounced", "phonemize", "phonemize_segment"]
