"""Which scripts a text is written in, and whether the front-end of a language reads them. Needs no dictionary."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

TOO_MUCH = 0.2
"""Share of a text's letters that, not pronounced, makes a pair of clip and text that nothing should be trained on."""

_SCRIPTS = (
    ("kana", re.compile("[\u3005\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff]")),
    ("han", re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")),
    ("hangul", re.compile("[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]")),
    ("latin", re.compile("[A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff]")),
)
_READ = {
    "zh": {"han", "latin"},
    "yue": {"han", "latin"},
    "en": {"latin"},
    "ja": {"kana", "han", "latin"},
    "ko": {"hangul", "latin"},
}
_SPEAKS_FOR = {"hangul": "ko", "han": "zh", "latin": "en"}


def unread_share(text: str, language: str) -> float:
    """Return the share of a text's letters that are in a script that the language's front-end does not read, 0 to 1.

    Args:
        text: Any text; digits and signs do not count.
        language: zh, yue, en, ja or ko. Foreign words in Latin letters are read in each.
    """
    scripts = _scripts(text)
    unread = sum(count for script, count in scripts.items() if script not in _READ[language])
    return unread / max(1, scripts.total())


def looks_like(text: str) -> str:
    """The language that a text's script speaks for: ja, ko, zh or en; empty where half of it is in none of theirs."""
    scripts = _scripts(text)
    half = scripts.total() / 2
    if not half:
        return ""
    if scripts["kana"] and scripts["kana"] + scripts["han"] >= half:
        return "ja"
    return next(
        (of for script, of in (("hangul", "ko"), ("han", "zh"), ("latin", "en")) if scripts[script] >= half), ""
    )


def _scripts(text: str) -> Counter[str]:
    # Letters of unusual width are read as the plain ones.
    return Counter(_script(sign) for sign in unicodedata.normalize("NFKC", text) if sign.isalpha())


def _script(letter: str) -> str:
    return next((script for script, signs in _SCRIPTS if signs.match(letter)), "")
