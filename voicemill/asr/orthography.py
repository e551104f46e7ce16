"""One way of writing for all transcripts of a language: script, width and punctuation."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Any, Literal

Script = Literal["simplified", "traditional", "as-heard"]

_HAN = "\u3400-\u9fff\uf900-\ufaff"
_MARKS = {",": "，", ".": "。", "?": "？", "!": "！", ";": "；", ":": "："}
# Only after a Chinese character and not inside of a figure, a name or an address.
_MARK = re.compile(rf"(?<=[{_HAN}])\s*([,.?!;:])(?![\w])\s*|(?<=[{_HAN}])\s*([,?!;:])\s*(?=[{_HAN}])")
_GAP = re.compile(rf"(?<=[{_HAN}，。？！；：、])\s+(?=[{_HAN}，。？！；：、])")
# Letters and digits; full-width marks stay, which is how Chinese writes them.
_WIDE = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\u3000]+")


@functools.cache
def _converter(script: str) -> Any:
    from opencc import OpenCC

    return OpenCC({"simplified": "t2s", "traditional": "s2t"}[script])


def consistent(text: str, language: str, script: Script) -> str:
    """Write a Mandarin transcript in one script and with Chinese punctuation; others stay as they are.

    Whisper writes now simplified, now traditional characters, and now Latin, now Chinese marks.

    Args:
        text: What was heard.
        language: Code of `voicemill.dataset.labels.LANGUAGES`. Cantonese is written as it was heard: its front-end
            reads both scripts, and its own words have no simplified form.
        script: Of the characters.
    """
    if language != "zh":
        return text
    if script != "as-heard":
        text = _converter(script).convert(text)
    text = _WIDE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    text = _MARK.sub(lambda found: _MARKS[found[1] or found[2]], text)
    return _GAP.sub("", text)
