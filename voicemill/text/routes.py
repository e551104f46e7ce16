"""Which language each stretch of a text is spoken in, by what the user asked for."""

import importlib
import re

from voicemill.text.mandarin.figures import Figure
from voicemill.text.segmentation import STAND_IN, Detector, Stretch, append, segment

ROUTES = ("auto", "auto_yue", "zh", "yue", "en", "ja", "ko", "all_zh", "all_yue", "all_ja", "all_ko")
"""`auto` tells languages apart; `zh` and its like are that language mixed with English; `all_*` that language alone."""

_WITH_OWN_FIGURES = {"ja": "japanese_preprocessing", "ko": "korean_preprocessing"}
_CHINESE = {"auto": "mandarin", "zh": "mandarin", "all_zh": "mandarin"} | dict.fromkeys(
    ["auto_yue", "yue", "all_yue"], "cantonese"
)
# Characters of Chinese, Japanese and Korean, digits and marks: no part of such a text is English.
_OWN_SCRIPT = re.compile("(?:[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]|\\d|[^\\w])*")
_NOT_CHINESE = frozenset(["en", "ja", "ko"])


def route(text: str, language: str, detect: Detector | None = None, as_reference: bool = False) -> list[Stretch]:
    """Stretches of a text and the languages to speak them in.

    Args:
        text: Any text.
        language: One of `ROUTES`.
        detect: Asked for the language of a word instead of fastText.
        as_reference: Tell languages apart as the reference does even where it errs.
    """
    if language == "en":
        return [Stretch("en", text)]
    chinese = _CHINESE.get(language)
    if as_reference or chinese is None:
        return _route(text, language, detect, as_reference)
    figures = importlib.import_module(f"voicemill.text.{chinese}").figures(text)
    return _unmasked(_route(_masked(text, figures), language, detect, as_reference), text, figures)


def _masked(text: str, figures: list[Figure]) -> str:
    """Return the text with one digit in the place of each figure, so that no letter of a unit is taken for a word."""
    parts, at = [], 0
    for figure in figures:
        parts += [text[at : figure.start], STAND_IN]
        at = figure.end
    return "".join([*parts, text[at:]])


def _unmasked(stretches: list[Stretch], text: str, figures: list[Figure]) -> list[Stretch]:
    """Return the stretches with the figures as they stood in the text."""
    waiting = iter(figures)
    for stretch in stretches:
        parts: list[str] = []
        found: list[Figure] = []
        length = 0
        for part in re.split(f"({STAND_IN})", stretch.text):
            figure = next(waiting) if part == STAND_IN else None
            if figure:
                found.append(figure.moved(length - figure.start))
                part = text[figure.start : figure.end]
            parts.append(part)
            length += len(part)
        stretch.text = "".join(parts)
        stretch.figures = found if stretch.language in ("zh", "yue") else None
    return stretches


def _route(text: str, language: str, detect: Detector | None, as_reference: bool) -> list[Stretch]:
    alone = language.removeprefix("all_") if language.startswith("all_") else ""
    default = "zh" if alone == "yue" else alone
    named = "" if language.startswith("auto") else alone or language
    if named and not as_reference and _OWN_SCRIPT.fullmatch(text):
        whole = text.strip() if named in _CHINESE else text
        return [Stretch(named, whole)] if text.strip() else []
    own = None if as_reference else _own_figures(language.removeprefix("all_"))
    if own:
        stretches = _around(own, text, default or language, default, detect)
    else:
        stretches = segment(text, default, detect, as_reference=as_reference, named=named)
    if alone or language.startswith("auto"):
        chinese = "yue" if language.endswith("yue") else "zh"
        # Marks alone have no language.
        return [Stretch(part.language if part.language in _NOT_CHINESE else chinese, part.text) for part in stretches]
    # Chinese, Japanese and Korean share characters, so what is not English is taken for what the user said it is.
    mixed: list[Stretch] = []
    for part in stretches:
        append(mixed, Stretch("en" if part.language == "en" else language, part.text))
    return mixed


def _own_figures(language: str) -> re.Pattern[str] | None:
    """Figures with Latin letters that the language reads itself (KRW 5000, 3:40pm), where it has such."""
    if language not in _WITH_OWN_FIGURES:
        return None
    return importlib.import_module(f"voicemill.text.{_WITH_OWN_FIGURES[language]}").OWN_FIGURES


def _around(own: re.Pattern[str], text: str, language: str, default: str, detect: Detector | None) -> list[Stretch]:
    """Stretches of a text in which some figures are known to be of the language."""
    stretches: list[Stretch] = []
    at = 0
    for match in [*own.finditer(text), None]:
        between = text[at : match.start()] if match else text[at:]
        parts = segment(between, default, detect, named=language)
        if parts:  # which come without the spaces around them
            parts[0].text = between[: len(between) - len(between.lstrip())] + parts[0].text
            parts[-1].text += between[len(between.rstrip()) :]
        for part in parts:
            append(stretches, part)
        if match:
            append(stretches, Stretch(language, match[0]))
            at = match.end()
    return stretches
