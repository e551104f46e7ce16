"""g2pk2's rules of Korean pronunciation, one after another.

The package's own entry point downloads an English dictionary when imported; its rules do not need one.
"""

import functools
import importlib
import importlib.util
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

_VOWELS_AND_CONSONANTS = (
    "jyeo ye consonant_ui josa_ui vowel_ui jamo rieulgiyeok rieulbieub verb_nieun balb palatalize modifying_rieul"
)


class Rules:
    """Spelling to pronunciation, both in Hangul syllables."""

    def __init__(self) -> None:
        from jamo import h2j
        from mecab import MeCab

        folder, modules = _modules("utils", "numerals", "special", "regular")
        utils, numerals, special, regular = modules
        self._letters: Callable[[str], str] = h2j
        self._annotate: Callable[[str, Any], str] = utils.annotate
        self._numbers: Callable[[str], str] = numerals.convert_num
        self._compose: Callable[[str], str] = utils.compose
        self._words = MeCab()
        self._idioms = _idioms(folder / "idioms.txt")
        self._special = [getattr(special, name) for name in _VOWELS_AND_CONSONANTS.split()]
        self._codas = [(re.compile(coda), sound) for coda, sound, _ in utils.parse_table()]
        self._links = [getattr(regular, name) for name in ("link1", "link2", "link3", "link4")]

    def __call__(self, text: str) -> str:
        for idiom, sound in self._idioms:
            text = idiom.sub(sound, text)
        letters = self._letters(self._numbers(self._annotate(text, self._words)))
        for rule in self._special:
            letters = rule(letters)
        letters = re.sub("/[PJEB]", "", letters)
        for coda, sound in self._codas:
            letters = coda.sub(sound, letters)
        for link in self._links:
            letters = link(letters)
        return self._compose(letters)


def _idioms(path: Path) -> list[tuple[re.Pattern[str], str]]:
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [
        (re.compile(idiom), sound) for idiom, _, sound in (line.partition("===") for line in lines if "===" in line)
    ]


def _modules(*names: str) -> tuple[Path, list[types.ModuleType]]:
    """Submodules of g2pk2 without the package's own import."""
    spec = importlib.util.find_spec("g2pk2")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("Korean needs the package g2pk2", name="g2pk2")
    package = types.ModuleType("g2pk2")
    package.__path__ = list(spec.submodule_search_locations)
    already = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "g2pk2"}
    sys.modules["g2pk2"] = package
    try:
        return Path(package.__path__[0]), [importlib.import_module(f"g2pk2.{name}") for name in names]
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "g2pk2"]:
            del sys.modules[name]
        sys.modules.update(already)


@functools.cache
def rules() -> Rules:
    return Rules()
