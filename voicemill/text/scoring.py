"""How far two texts differ when they are spoken: the one scorer for what a recogniser heard.

Both texts go through the front-end first, so that what is written differently and spoken alike counts as equal:
figures (15th, fifteenth), currency, units, spelling variants (colour, color), homophones, script (traditional and
simplified characters, kanji and kana), case and punctuation. English figures of four digits agree with a year and with
a number, and "and" within a number does not count.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voicemill.core.errors import InputError
from voicemill.text.english.figures import cardinal, year
from voicemill.text.frontend import phonemize

BY_CHARACTER = frozenset(["zh", "yue", "ja", "ko"])
"""Languages that are compared by character: they do not space their words, or recognisers space them at will."""

_UNITS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]|[^\W_]+")
_FOUR_DIGITS = re.compile(r"(?<![\w.,])[1-9]\d{3}(?![\w,]|\.\d)")
_AND = re.compile(
    r"\b(hundred|thousand|million) and (?=(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|"
    r"fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)\b)"
)
_PITCH = frozenset("[]#^")
_VOWELS = frozenset("aiueoAIUEON") | {"cl"}


@dataclass(frozen=True)
class Difference:
    """The edit distance between two rows of words, characters or phones, and where it lies.

    Attributes:
        errors: Substitutions, deletions and insertions.
        length: Length of what was asked.
        longest_run: Units in a row that differ, on the side where there are more of them.
        missing_at_start: Units that were asked and not heard before the first one that agrees.
        missing_at_end: The same after the last one that agrees.
        added_at_end: Units that were heard after the last one that agrees, less what was missing there.
    """

    errors: int
    length: int
    longest_run: int = 0
    missing_at_start: int = 0
    missing_at_end: int = 0
    added_at_end: int = 0

    @property
    def rate(self) -> float:
        """Errors over length; can exceed 1."""
        return self.errors / self.length if self.length else float(self.errors > 0)


@dataclass(frozen=True)
class Score:
    """Differences between what was asked and what was heard, by unit.

    Attributes:
        words: In words, or in characters for the languages `BY_CHARACTER`. Units that are spoken alike agree.
        phones: In phones without stress, tone and pitch.
    """

    words: Difference
    phones: Difference


def score(asked: str, heard: str, language: str) -> Score:
    """Compare two texts as they are spoken.

    Args:
        asked: The text that was to be spoken.
        heard: What a recogniser wrote down.
        language: Language of both, one of `voicemill.text.ROUTES`.

    Raises:
        InputError: The text that was asked for has no words.
    """
    if not _units(asked, language):
        raise InputError(f"{asked!r} has no word to compare with what was heard; give a text with words")
    pairs = itertools.product(_readings(asked, language), _readings(heard, language))
    scores = (_score(one, other, language) for one, other in pairs)
    return min(scores, key=lambda found: (found.words.errors, found.phones.errors))


def _score(asked: str, heard: str, language: str) -> Score:
    words = _difference(_units(asked, language), _units(heard, language), language)
    return Score(words, difference(phones(asked, language), phones(heard, language)))


def _readings(text: str, language: str) -> list[str]:
    """Return a text as it stands and, where English figures may be a year or a number, as either.

    Recognisers write 1455 for both, of which the front-end can only read one.
    """
    if language != "en" or not _FOUR_DIGITS.search(text):
        return [text]
    return [
        text,
        _FOUR_DIGITS.sub(lambda found: year(found[0]), text),
        _FOUR_DIGITS.sub(lambda found: cardinal(found[0]), text),
    ]


def difference(asked: Sequence[str], heard: Sequence[str]) -> Difference:
    """Compare two rows of units by their edit distance.

    Args:
        asked: Words, characters or phones.
        heard: The same kind of units.
    """
    from rapidfuzz.distance import Levenshtein

    changes = [
        (step.src_end - step.src_start, step.dest_end - step.dest_start, step.tag == "equal")
        for step in Levenshtein.opcodes(asked, heard)
    ]
    return _summed(changes, len(asked))


def pooled(differences: Iterable[Difference]) -> Difference:
    """Take the differences of several lines together, so that a line weighs as much as it holds."""
    found = list(differences)
    return Difference(
        sum(one.errors for one in found),
        sum(one.length for one in found),
        max((one.longest_run for one in found), default=0),
        sum(one.missing_at_start for one in found),
        sum(one.missing_at_end for one in found),
        sum(one.added_at_end for one in found),
    )


def phones(text: str, language: str) -> list[str]:
    """Return the phones of a text without stress, tone, pitch and pauses."""
    return _spoken(text, language, keeps_tone=False)


def plain(text: str, language: str) -> str:
    """A text's words (characters for languages that do not space them) without case and punctuation, as written."""
    kept = "".join(
        character if unicodedata.category(character)[0] in "LNM" or character == "'" else " "
        for character in unicodedata.normalize("NFKC", text).casefold()
    )
    return ("" if language in BY_CHARACTER else " ").join(kept.split())


def _difference(asked: Sequence[str], heard: Sequence[str], language: str) -> Difference:
    """Return the same where units that are spoken alike agree, also in another number of units (any one, anyone)."""
    from rapidfuzz.distance import Levenshtein

    changes: list[tuple[int, int, bool]] = []
    runs: list[tuple[int, int, int, int, bool]] = []
    for step in Levenshtein.opcodes(asked, heard):
        is_equal = step.tag == "equal"
        if runs and not is_equal and not runs[-1][4]:
            # Steps side by side are one run: the algorithm may tear a replacement into two.
            runs[-1] = (runs[-1][0], step.src_end, runs[-1][2], step.dest_end, False)
        else:
            runs.append((step.src_start, step.src_end, step.dest_start, step.dest_end, is_equal))
    for start, end, heard_start, heard_end, is_equal in runs:
        if is_equal:
            changes.append((end - start, heard_end - heard_start, True))
        else:
            changes += _of_run(tuple(asked[start:end]), tuple(heard[heard_start:heard_end]), language)
    return _summed(changes, len(asked))


def _of_run(asked: tuple[str, ...], heard: tuple[str, ...], language: str) -> list[tuple[int, int, bool]]:
    if "".join(asked) == "".join(heard) or (asked and heard and _sound(asked, language) == _sound(heard, language)):
        return [(len(asked), len(heard), True)]
    if len(asked) != len(heard):
        return [(len(asked), len(heard), False)]
    return [
        (1, 1, _sound((one,), language) == _sound((other,), language)) for one, other in zip(asked, heard, strict=True)
    ]


def _summed(changes: Sequence[tuple[int, int, bool]], length: int) -> Difference:
    errors = longest = run_asked = run_heard = 0
    for asked, heard, is_equal in changes:
        if is_equal:
            run_asked = run_heard = 0
            continue
        errors += max(asked, heard)
        run_asked, run_heard = run_asked + asked, run_heard + heard
        longest = max(longest, run_asked, run_heard)
    start_asked, _ = _edge(changes)
    end_asked, end_heard = _edge(changes[::-1])
    return Difference(errors, length, longest, start_asked, end_asked, max(0, end_heard - end_asked))


def _edge(changes: Sequence[tuple[int, int, bool]]) -> tuple[int, int]:
    """Return what differs before the first unit that agrees: how many units were asked, and how many heard."""
    asked = heard = 0
    for one, other, is_equal in changes:
        if is_equal:
            break
        asked, heard = asked + one, heard + other
    return asked, heard


def _units(text: str, language: str) -> list[str]:
    if language == "ja":
        return _morae(phones(text, language))
    written = phonemize(text, language, lead_in=False).norm_text
    folded = unicodedata.normalize("NFKC", written).casefold()
    if language == "en":
        folded = _AND.sub(r"\1 ", folded)
    return _UNITS.findall(re.sub(r"(?<=\w)['\u2019](?=\w)", "", folded))


def _morae(phones: Sequence[str]) -> list[str]:
    """Japanese phones as morae, which are what kana write: a consonant and its vowel, a vowel, N, a held consonant."""
    found, open_one = [], ""
    for phone in phones:
        open_one += phone
        if phone in _VOWELS:
            found.append(open_one)
            open_one = ""
    return [*found, open_one] if open_one else found


@functools.lru_cache(maxsize=4096)
def _sound(units: tuple[str, ...], language: str) -> tuple[str, ...]:
    """Return how some units are spoken, with tone where the language has it."""
    if language == "ja":
        return units
    text = ("" if language in BY_CHARACTER else " ").join(units)
    return tuple(_spoken(text, language, keeps_tone=language in ("zh", "yue")))


def _spoken(text: str, language: str, *, keeps_tone: bool) -> list[str]:
    phones = [phone for phone in phonemize(text, language, lead_in=False).phones if _is_heard(phone)]
    return phones if keeps_tone else [phone.rstrip("0123456789") for phone in phones]


def _is_heard(phone: str) -> bool:
    return phone not in _PITCH and phone not in ("UNK", "SP", "SP2", "SP3", "空", "停") and any(map(str.isalpha, phone))
