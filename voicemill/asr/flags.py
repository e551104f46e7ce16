"""What in a transcript asks for a person's eye."""

from __future__ import annotations

from voicemill.asr.hallucinations import is_hallucination
from voicemill.text.scripts import TOO_MUCH, looks_like, unread_share

# Characters a second above which nobody speaks: fast readers reach 8 in Chinese and Japanese, 10 syllable blocks in
# Korean, 25 letters in English.
_FASTEST = {"zh": 10.0, "yue": 10.0, "ja": 13.0, "ko": 12.0, "en": 28.0}
_LOOKS_LIKE, _NOT_PRONOUNCED = "looks-like-", "not-pronounced"
_SPACED = ("en", "ko")
# A phrase of so many units said so often is a recogniser's loop and no figure of speech.
_LOOPS = {1: 5, 2: 4} | dict.fromkeys(range(3, 41), 3)


def flags(text: str, language: str, seconds: float, confidence: float, trusted_above: float) -> list[str]:
    """Return what is suspicious about a transcript.

    Args:
        text: What was heard.
        language: In which language.
        seconds: Length of the clip.
        confidence: As the recogniser gives it.
        trusted_above: The recogniser's threshold for it.

    Returns:
        Those that apply of "empty", "loop", "hallucination", "too-fast", "low-confidence"; and where a fifth or more of
        the letters is not pronounced in this language "looks-like-ja" (or ko, zh, en), or "not-pronounced" where no
        language with a front-end would pronounce them.
    """
    if not any(character.isalnum() for character in text):
        return ["empty"]
    found = []
    if loops(text, language):
        found.append("loop")
    if is_hallucination(text, language):
        found.append("hallucination")
    letters = sum(character.isalnum() for character in text)
    if letters > _FASTEST[language] * max(seconds, 1e-3):
        found.append("too-fast")
    if confidence < trusted_above:
        found.append("low-confidence")
    if unread_share(text, language) >= TOO_MUCH:
        other = looks_like(text)
        found.append(f"{_LOOKS_LIKE}{other}" if other else _NOT_PRONOUNCED)
    return found


def follows_from_text(flag: str) -> bool:
    """Whether a flag is found anew when the words or the length change; else it stays what the recogniser said."""
    return flag in ("empty", "loop", "hallucination", "too-fast", _NOT_PRONOUNCED) or flag.startswith(_LOOKS_LIKE)


def loops(text: str, language: str) -> bool:
    """Return whether up to 40 words (or characters) come again and again, as they do when a recogniser is lost."""
    units = _units(text, language)
    for length, often in _LOOPS.items():
        run = 0
        for i in range(length, len(units)):
            # Said again at the same distance for as long as the phrase lasts, once less often than it is heard.
            run = run + 1 if units[i] == units[i - length] else 0
            if run >= length * (often - 1):
                return True
    return False


def _units(text: str, language: str) -> list[str]:
    """Return words where the script parts them, else characters, without case and punctuation."""
    if language in _SPACED:
        words = ("".join(filter(str.isalnum, word)) for word in text.lower().split())
        return [word for word in words if word]
    return [character for character in text if character.isalnum()]
