"""The tables of this folder: units, currencies, signs, and the words beside a number that decide how it is read."""

import csv
import functools
import re
from importlib import resources


@functools.cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of a table, each with an example and how it is spoken."""
    text = resources.files("voicemill.text.mandarin.figures").joinpath(f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def _longest_first(words: list[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


@functools.cache
def units() -> dict[str, str]:
    """Unit sign -> reading, with squares and cubes of lengths and the compatibility characters (㎡) among them."""
    import unicodedata

    found = {row["sign"]: row["reading"] for row in rows("units")}
    for row in rows("units"):
        if row["kind"] == "length":
            found |= {row["sign"] + power: "平方" + row["reading"] for power in "2²"}
            found |= {row["sign"] + power: "立方" + row["reading"] for power in "3³"}
    for code in range(0x3371, 0x33E0):
        plain = unicodedata.normalize("NFKC", chr(code)).replace("μ", "μ")
        if plain in found:
            found[chr(code)] = found[plain]
    return found


@functools.cache
def unit_pattern() -> str:
    """Return a unit, or one unit per another; a unit of letters ends where the letters end."""
    signs = _longest_first(list(units()))
    return rf"(?:(?:{signs})(?:/(?:{signs}))?)(?![A-Za-z²³])"


def unit(sign: str) -> str:
    """Return the reading of a unit, `km/h` -> 千米每小时."""
    if sign in units():
        return units()[sign]
    first, _, second = sign.partition("/")
    return f"{units()[first]}每{units()[second]}"


@functools.cache
def currencies() -> dict[str, str]:
    """Sign or code of a currency -> reading."""
    return {row["sign"]: row["reading"] for row in rows("money")}


@functools.cache
def currency_pattern() -> str:
    """Return a currency in front of its amount."""
    return _longest_first(list(currencies()))


@functools.cache
def code_pattern() -> str:
    """Return a currency behind its amount."""
    return _longest_first([sign for sign in currencies() if sign.isalpha() or len(sign) == 1])


@functools.cache
def signs(place: str) -> dict[str, str]:
    """Sign -> reading, of those that are read at a place: `operator`, `between` words, or `any`."""
    return {row["sign"]: row["reading"] for row in rows("signs") if row["place"] == place}


@functools.cache
def _words(kind: str) -> str:
    words = [word for row in rows("contexts") if row["kind"] == kind for word in row["words"].split()]
    if not words:
        raise KeyError(kind)
    return _longest_first(words)


@functools.cache
def before(kind: str) -> re.Pattern[str]:
    """Return a text that ends with a word of this kind; a colon, a quotation mark or 是 may follow it."""
    return re.compile(rf"(?:{_words(kind)})[\s:：是为“\"'‘「『(（]{{0,3}}$")


@functools.cache
def directly_before(kind: str) -> re.Pattern[str]:
    """Return a text that ends with a word of this kind."""
    return re.compile(rf"(?:{_words(kind)})$")


@functools.cache
def after(kind: str) -> re.Pattern[str]:
    """Return a text that begins with a word of this kind; a space or a closing quotation mark may stand before it."""
    return re.compile(rf"[\s”\"'’」』]?(?:{_words(kind)})")


def is_word(kind: str, text: str) -> bool:
    """Return whether a text is one of the words of this kind."""
    return re.fullmatch(_words(kind), text) is not None
