"""The phone tables of GPT-SoVITS v1 and v2: a phone's place in its table is the id that the public weights learned.

The order is a fact of those weights: 322 phones of Mandarin, English, Japanese and pauses in code point order; v2 goes
on with Japanese pitch marks, Korean and Cantonese (732 in all). Cantonese phones begin with Y to be told from others.
"""

from collections.abc import Sequence
from typing import Literal

Version = Literal["v1", "v2", "v2Pro", "v2ProPlus", "v3", "v4"]

PUNCTUATION = ("!", "?", "…", ",", ".", "-")
PAD, UNKNOWN = "_", "UNK"
PAUSES = ("SP", "SP2", "SP3")

MANDARIN_INITIALS = "AA EE OO b c ch d f g h j k l m n p q r s sh t w x y z zh"
MANDARIN_FINALS = (
    "E En a ai an ang ao e ei en eng er i i0 ia ian iang iao ie in ing iong ir iu o ong ou "
    "u ua uai uan uang ui un uo v van ve vn"
)
JAPANESE = "I N U a b by ch cl d dy e f g gy h hy i j k ky m my n ny o p py r ry s sh t ts u v w y z"
# Every ARPAbet vowel has three stresses, but the table happens to hold two bare ones besides.
ARPABET_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
ARPABET_OTHERS = "B CH D DH ER F G HH IH JH K L M N NG P R S SH T TH V W Y Z ZH"
KOREAN = "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎㄲㄸㅃㅆㅉㅏㅓㅗㅜㅡㅣㅐㅔ空停"

CANTONESE_INITIALS = "b c d f g gw h j k kw l m n ng p s t w z"
CANTONESE_FINALS = (
    "a aa aai aak aam aan aang aap aat aau ai ak am an ang ap at au e ei ek eng eoi eon eot g i ik im in ing ip it iu "
    "k m n o oe oek oeng oi ok on ong ot ou p t u ui uk un ung ut yu yun yut"
)
# Finals that the table also holds without a tone.
CANTONESE_TONELESS = "a aa ai ak au e o oi ok on ou uk"


def _v1() -> tuple[str, ...]:
    bare = f"{MANDARIN_INITIALS} {JAPANESE} {ARPABET_OTHERS}".split()
    mandarin = [final + tone for final in MANDARIN_FINALS.split() for tone in "12345"]
    english = [vowel + stress for vowel in ARPABET_VOWELS.split() for stress in "012"]
    return tuple(sorted({PAD, UNKNOWN, *PAUSES, *PUNCTUATION, *bare, *mandarin, *english}))


def _v2() -> tuple[str, ...]:
    bare = f"{CANTONESE_INITIALS} {CANTONESE_TONELESS}".split()
    toned = [final + tone for final in CANTONESE_FINALS.split() for tone in "123456"]
    cantonese = {"Y" + phone for phone in bare + toned}
    return (*_v1(), "[", "]", *sorted(KOREAN), *sorted(cantonese))


V1, V2 = _v1(), _v2()
_IDS = {name: {phone: number for number, phone in enumerate(phones)} for name, phones in (("v1", V1), ("v2", V2))}


def table(version: str) -> tuple[str, ...]:
    """Return the phones of a model version in the order of their ids; every version after v1 has the table of v2."""
    return V1 if version == "v1" else V2


def knows(phone: str, version: str) -> bool:
    return phone in _IDS["v1" if version == "v1" else "v2"]


def ids(phones: Sequence[str], version: str) -> list[int]:
    """Ids of phones of the version's table (a phone outside it is a KeyError: spell it as `UNK` before)."""
    numbers = _IDS["v1" if version == "v1" else "v2"]
    return [numbers[phone] for phone in phones]
