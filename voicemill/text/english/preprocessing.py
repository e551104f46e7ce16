"""Put right, before the reference's rules run, what they would misread.

The rules are in `figures.csv`, the words that they look up in `tables.csv`.
"""

import functools
import re

from voicemill.text.english import capitals
from voicemill.text.english.figures import NAMES, READERS
from voicemill.text.rewriting import Rule, read_rules, rewrite

_SPACES = re.compile(" {2,}")


@functools.cache
def rules() -> list[Rule]:
    """Return the rules of English, in the order in which they run."""
    return read_rules("voicemill.text.english", "figures.csv", NAMES, READERS)


def preprocess(text: str) -> str:
    """Return the text with what would be misread written otherwise."""
    return _SPACES.sub(" ", capitals.preprocess(rewrite(text, rules())))
