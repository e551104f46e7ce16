"""From a text in any mixture of languages to phones: segment, normalise, pronounce, number.

Source: GPT-SoVITS, TTS_infer_pack/TextPreprocessor.py and text/cleaner.py.
"""

import functools
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

from voicemill.core.digests import content_digest
from voicemill.core.errors import InputError, UsageError
from voicemill.text import symbols
from voicemill.text.blocks import blocks
from voicemill.text.lexicon import Lexicon
from voicemill.text.mandarin import Polyphones
from voicemill.text.mandarin.figures import Figure
from voicemill.text.routes import ROUTES, route
from voicemill.text.segmentation import Detector, Stretch, append
from voicemill.text.silent import Unpronounced, unpronounced
from voicemill.text.spelling import encodable, plain
from voicemill.text.spoken import Segment, Spoken
from voicemill.text.written import Written

_MODULES = {"zh": "mandarin", "yue": "cantonese", "en": "english", "ja": "japanese", "ko": "korean"}
_OF_V1 = frozenset(["zh", "en", "ja"])
_SILENCES = {"￥": "SP2", "^": "SP3"}
_FEWEST_PHONES, _FEWEST_ENGLISH_PHONES = 6, 4
_BY_CHARACTER = frozenset(["zh", "yue"])
_SPACES = re.compile(" {2,}")

Reader = Callable[[str], Spoken]


@dataclass(frozen=True)
class Reading:
    """Who reads before, and beside, the dictionaries; a voice is read as its training texts were.

    Attributes:
        lexicon: The user's own pronunciations.
        polyphones: Tells Mandarin polyphones apart (`mandarin.g2pw.G2pw`); without it the phrase dictionary does alone.
    """

    lexicon: Lexicon | None = None
    polyphones: Polyphones | None = None

    @property
    def digest(self) -> str:
        """Digest of who reads: the lexicon's words, and what kind of model tells polyphones apart."""
        polyphones = type(self.polyphones).__name__ if self.polyphones else ""
        return content_digest(f"{polyphones}\n{self.lexicon.digest if self.lexicon else ''}")


BY_DICTIONARIES = Reading()


@dataclass
class Phonemes:
    """What a text sounds like.

    Attributes:
        segments: One for each stretch of a language, in order.
        phones: Phones of all segments.
        ids: Their numbers in the version's table.
        norm_text: Normalised texts of all segments.
        unpronounced: Characters that are not heard (emoji, scripts without a front-end, signs without a reading).
    """

    segments: list[Segment]
    version: str
    unpronounced: list[Unpronounced] = field(default_factory=list)

    @property
    def phones(self) -> list[str]:
        return [phone for segment in self.segments for phone in segment.phones]

    @property
    def ids(self) -> list[int]:
        return symbols.ids(self.phones, self.version)

    @property
    def norm_text(self) -> str:
        return "".join(segment.norm_text for segment in self.segments)

    @property
    def word2ph(self) -> list[int] | None:
        """Phones of each character of `norm_text`, where every segment knows."""
        parts = [segment.word2ph for segment in self.segments]
        return None if None in parts else [count for part in parts for count in part or []]


def phonemize(
    text: str,
    language: str = "auto",
    version: str = "v2",
    *,
    lead_in: bool = True,
    as_reference: bool = False,
    reading: Reading = BY_DICTIONARIES,
    detect: Detector | None = None,
) -> Phonemes:
    """Return the phones of a text.

    Args:
        text: Any text; one sentence to a paragraph.
        language: One of `ROUTES`.
        version: Model version; v1 has its own phones and neither Korean nor Cantonese.
        lead_in: Put a full stop in front where fewer than six phones come out, because the models swallow very short
            texts.
        as_reference: Read figures, and tell languages apart, as the reference does even where it errs.
        reading: The user's own pronunciations, and who reads polyphones.
        detect: Asked for the language of a word instead of fastText.

    Raises:
        UsageError: No such route.
        InputError: A stretch is in a language that the version cannot speak.
    """
    if language not in ROUTES:
        raise UsageError(f"unknown language {language!r}; use one of {', '.join(ROUTES)}")

    def speak(part: str, of: str, figures: list[Figure] | None = None) -> Segment:
        if len(part) == 1 and not figures:
            return _one_character(part, of, version, as_reference, reading)
        return phonemize_segment(part, of, version, as_reference=as_reference, reading=reading, figures=figures)

    def speak_all(spaced: str) -> list[Segment]:
        parts = reading.lexicon.torn(spaced) if reading.lexicon else []
        stretches: list[Stretch] = []
        for part, of in parts or [(spaced, "")]:
            for stretch in [Stretch(of, part)] if of else route(part, language, detect, as_reference):
                append(stretches, stretch)
        return [speak(stretch.text, stretch.language, stretch.figures) for stretch in stretches]

    whole = encodable(text)
    spelled, places = (whole, range(len(whole))) if as_reference else plain(whole)
    phonemes = Phonemes([], version)
    silent: dict[int, None] = {}
    start = 0
    for block in blocks(spelled):
        segments = speak_all(_SPACES.sub(" ", block))
        phonemes.segments += segments
        silent |= {places[start + sign.position]: None for sign in unpronounced(block, segments, speak)}
        start += len(block)
    phonemes.unpronounced = [Unpronounced(whole[at], at) for at in silent]
    if lead_in and len(phonemes.phones) < _FEWEST_PHONES:
        # The full stop in front of a figure is not a decimal point.
        pause = ". " if spelled[:1].isdigit() and not as_reference else "."
        phonemes.segments = [
            segment for block in blocks(pause + spelled) for segment in speak_all(_SPACES.sub(" ", block))
        ]
    return phonemes


def phonemize_segment(
    text: str,
    language: str,
    version: str = "v2",
    *,
    as_reference: bool = False,
    reading: Reading = BY_DICTIONARIES,
    read: Reader | None = None,
    figures: list[Figure] | None = None,
) -> Segment:
    """Return the phones of a text of one language.

    Args:
        text: Any text; what the language has no reading for is left out.
        language: zh, yue, en, ja or ko.
        version: Model version.
        as_reference: Read figures as the reference does even where it misreads them.
        reading: The user's own pronunciations, and who reads polyphones.
        read: Reads the normalised text instead of the language's own front-end.
        figures: Chinese figures of the text, where they were looked for in a longer one already.

    Raises:
        UsageError: No such language.
        InputError: The version cannot speak it.
    """
    if language not in _MODULES:
        raise UsageError(f"unknown language {language!r}; use one of {', '.join(_MODULES)}")
    if version == "v1" and language not in _OF_V1:
        name = _MODULES[language].capitalize()
        raise InputError(f"the phones of v1 have no {name}: use a later version for {text!r}")
    read = read or _reader(language, version, as_reference, reading)
    norm_text, spoken = "", Spoken([], [] if language in _BY_CHARACTER else None)
    heard: list[bool] | None = None if as_reference or language not in _BY_CHARACTER else []
    for block in blocks(encodable(text)) if figures is None else [text]:
        if heard is None:
            norm_block, spoken_block = _speak(block, language, as_reference, reading.lexicon, read)
        else:
            written, spoken_block = _speak_characters(block, language, reading.lexicon, read, figures)
            norm_block = written.text
            heard += written.heard(spoken_block, len(block))
        norm_text += norm_block
        spoken.append(spoken_block)
    phones = [phone if symbols.knows(phone, version) else symbols.UNKNOWN for phone in spoken.phones]
    return Segment(language, text, norm_text, phones, spoken.word2ph, heard)


@functools.lru_cache(maxsize=16384)
def _one_character(character: str, language: str, version: str, as_reference: bool, reading: Reading) -> Segment:
    return phonemize_segment(character, language, version, as_reference=as_reference, reading=reading)


def _reader(language: str, version: str, as_reference: bool, reading: Reading) -> Reader:
    module = _module(language)
    if language in ("en", "yue"):
        return functools.partial(module.phonemize, as_reference=as_reference)
    if language == "zh" and version != "v1":
        return functools.partial(module.phonemize, polyphones=reading.polyphones, as_reference=as_reference)
    return module.phonemize_v1 if language == "zh" else module.phonemize


def _speak_characters(
    text: str, language: str, lexicon: Lexicon | None, read: Reader, figures: list[Figure] | None
) -> tuple[Written, Spoken]:
    """Chinese: the text written out with the place of each character, and what is said for it."""
    module = _module(language)
    found: list[Figure] = module.figures(text) if figures is None else figures
    in_figures = {at for figure in found for at in range(figure.start, figure.end)}
    silences = [sign for at, sign in enumerate(text) if sign in _SILENCES and at not in in_figures]
    silence = silences[0] if silences and language == "zh" else ""
    written = module.write_out(text.replace(silence, ",") if silence else text, found)
    spoken = read(written.text)
    if lexicon:
        spoken = lexicon.replace(language, module.simplify(written.text), spoken)
    if silence:
        spoken.phones = _with_silence(spoken.phones, silence)
    return written, spoken


def _with_silence(phones: list[str], silence: str) -> list[str]:
    """Whoever writes the sign wants that pause, and gets it at every comma of the stretch."""
    return [_SILENCES[silence] if phone == "," else phone for phone in phones]


def _speak(text: str, language: str, as_reference: bool, lexicon: Lexicon | None, read: Reader) -> tuple[str, Spoken]:
    module = _module(language)
    parts = lexicon.split(language, text) if lexicon else [(text, None)]
    if language == "en":
        parts = module.join_endings(parts)
    if not as_reference and language not in _BY_CHARACTER:
        parts = [(module.preprocess(part) if phones is None else part, phones) for part, phones in parts]
    silences = _SILENCES if language == "zh" else {}
    silence = next((sign for sign in silences if any(sign in part for part, _ in parts)), None)
    norm_text, spoken = "", Spoken([], [] if language in _BY_CHARACTER else None)
    for part, phones in parts:
        if phones is not None:
            norm_text += part
            spoken.phones += phones
            continue
        part = module.normalize(part.replace(silence, ",") if silence else part)
        norm_text += part
        spoken.append(read(part))
    if lexicon:
        spoken = lexicon.replace(language, norm_text, spoken)
    if silence:
        spoken.phones = _with_silence(spoken.phones, silence)
    if language == "en" and len(spoken.phones) < _FEWEST_ENGLISH_PHONES:
        spoken.phones.insert(0, ",")
    return norm_text, spoken


@functools.cache
def _module(language: str) -> ModuleType:
    return importlib.import_module(f"voicemill.text.{_MODULES[language]}")
