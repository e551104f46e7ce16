"""Cut a long text into blocks, so that the work grows with its length and not with the square of it.

Taggers, regular expressions and Open JTalk's labels take time that grows faster than the text that they are given at
once. No sentence is near as long as a block: only a text without any end of a sentence is cut elsewhere.
"""

import re
from collections.abc import Iterator

LONGEST = 1000
"""Characters of the longest block."""

# Where to cut, best first: behind the end of a sentence, behind a mark or a space, before a letter that starts a word.
_CUTS = [
    re.compile(r"[。！？!?\n]+|\.+(?=\s)"),
    re.compile(r"[，、；：;…]+|[,:](?=\D)|\s+"),
    re.compile(r"(?<=[^\w])(?=\w)|(?<=\d)(?=[^\W\d])|(?<=[\u3040-\u30ff])(?=[\u4e00-\u9fff])"),
]


def blocks(text: str, longest: int | None = None) -> Iterator[str]:
    """Blocks of at most `longest` characters (`LONGEST`) that are the text together; of an empty text an empty one."""
    longest = longest or LONGEST
    start = 0
    while len(text) - start > longest:
        end = start + _cut(text[start : start + longest])
        yield text[start:end]
        start = end
    yield text[start:]


def _cut(block: str) -> int:
    """Return the place in the second half of a block where it is best cut; its end if no place is good."""
    for pattern in _CUTS:
        ends = [match.end() for match in pattern.finditer(block, len(block) // 2)]
        if ends:
            return ends[-1]
    return len(block)
