"""Cut a text into the pieces that are spoken one by one.

`cut0` .. `cut5` are the cuts that GPT-SoVITS's users know by these names; each returns one string whose pieces stand on
lines of their own. `pieces` is the whole preparation of a text for synthesis. Source of the rules: GPT-SoVITS,
TTS_infer_pack/text_segmentation_method.py and TextPreprocessor.py.
"""

import itertools
import re
from collections.abc import Callable

from voicemill.core.errors import UsageError

ENDS = frozenset("，。？！,.?!~:：—…")
_SILENT = frozenset("!?…,.- ")
_CUT5_MARKS = frozenset(",.;?!、，。？！：…")
LONGEST = 510  # BERT reads 512 tokens, two of which frame the sentence
SHORTEST = 5
_SHORT_OPENING = 4


def _joined(pieces: list[str], silent: frozenset[str] = _SILENT) -> str:
    """Return one piece a line, without those that hold nothing to say."""
    return "\n".join(piece for piece in pieces if not silent.issuperset(piece))


def _phrases(text: str) -> list[str]:
    """Return the text after each sign of `ENDS`; the last phrase always ends with one."""
    text = text.replace("……", "。").replace("——", "，")
    if text[-1] not in ENDS:
        text += "。"
    return re.findall(f"[^{''.join(ENDS)}]*[{''.join(ENDS)}]", text, re.DOTALL)


def cut0(text: str) -> str:
    """Leave whole."""
    return "\n" if _SILENT.issuperset(text) else text


def cut1(text: str) -> str:
    """Cut after every fourth phrase; up to three phrases more stay with the last piece."""
    text = text.strip("\n")
    if not text:
        return ""
    phrases = _phrases(text)
    starts = range(0, len(phrases), 4)
    if len(starts) < 2:
        return _joined([text])
    return _joined(["".join(phrases[start : None if start == starts[-2] else start + 4]) for start in starts[:-1]])


def cut2(text: str) -> str:
    """Cut where a piece has grown beyond 50 characters; a last piece under 50 stays with the one before."""
    text = text.strip("\n")
    if not text:
        return ""
    phrases = _phrases(text)
    if len(phrases) < 2:
        return text
    pieces, piece = [], ""
    for phrase in phrases:
        piece += phrase
        if len(piece) > 50:
            pieces.append(piece)
            piece = ""
    if piece:
        pieces.append(piece)
    if len(pieces) > 1 and len(pieces[-1]) < 50:
        pieces[-2:] = ["".join(pieces[-2:])]
    return _joined(pieces)


def cut3(text: str) -> str:
    """Cut at the Chinese full stop, which goes."""
    return _joined(text.strip("\n").strip("。").split("。"))


def cut4(text: str) -> str:
    """Cut at the English full stop, which goes, but not inside a decimal number."""
    return _joined(re.split(r"(?<!\d)\.(?!\d)", text.strip("\n").strip(".")))


def cut5(text: str) -> str:
    """Cut after every punctuation mark, but not inside a decimal number."""
    marks = "".join(_CUT5_MARKS - {"."})
    text = text.strip("\n")
    ends = [match.end() for match in re.finditer(rf"[{marks}]|(?<!\d)\.|\.(?!\d)", text)]
    bounds = [0, *ends, len(text)]
    return _joined([text[start:end] for start, end in itertools.pairwise(bounds)], _CUT5_MARKS)


CUTS: dict[str, Callable[[str], str]] = {cut.__name__: cut for cut in (cut0, cut1, cut2, cut3, cut4, cut5)}


def without_repeated_marks(text: str) -> str:
    """Of a run of the reference's punctuation marks keep the first."""
    return re.sub(r"([!?…,.\-])[!?…,.\-]+", r"\1", text)


def merge_short(pieces: list[str], shortest: int = SHORTEST) -> list[str]:
    """Join neighbours until each has `shortest` characters; a short rest goes to the last."""
    if len(pieces) < 2:
        return pieces
    merged, piece = [], ""
    for part in pieces:
        piece += part
        if len(piece) >= shortest:
            merged.append(piece)
            piece = ""
    if piece and merged:
        merged[-1] += piece
    elif piece:
        merged.append(piece)
    return merged


def split_long(text: str, longest: int = LONGEST) -> list[str]:
    """Split at punctuation into pieces of at most `longest` characters; a longer phrase is cut where it must be."""
    pieces, piece = [], ""
    for part in re.split(f"([{''.join(ENDS)}])", text):
        if len(piece) + len(part) > longest:
            if piece:
                pieces.append(piece)
            *whole, piece = (part[at : at + longest] for at in range(0, len(part), longest))
            pieces += whole
        else:
            piece += part
    return [*pieces, piece] if piece else pieces


def pieces(text: str, language: str, method: str = "cut5") -> list[str]:
    """Cut a text as GPT-SoVITS does before synthesis.

    Args:
        text: Any text; newlines cut too.
        language: `en` or one of the other routes of `voicemill.text.phonemize`; it decides the full stop that is added.
        method: `cut0` .. `cut5`.

    Returns:
        Pieces that each hold something to say and end with a sign of `ENDS`.

    Raises:
        UsageError: No such method.
    """
    if method not in CUTS:
        raise UsageError(f"no cut named {method!r}; there are {', '.join(CUTS)}")
    stop = "." if language == "en" else "。"
    text = without_repeated_marks(text).strip("\n")
    if not text:
        return []
    # The model swallows a very short opening unless a pause stands before it.
    opening = re.split(f"[{''.join(ENDS)}]", text)[0].strip()
    if text[0] not in ENDS and len(opening) < _SHORT_OPENING:
        text = stop + text
    lines = [line for line in CUTS[method](text).split("\n") if line not in ("", " ")]
    result = []
    for piece in merge_short(lines):
        if not re.search(r"\w", piece):
            continue
        if piece[-1] not in ENDS:
            piece += stop
        result += split_long(piece)
    return result
