"""The phone tables of GPT-SoVITS v1 and v2: a phone's place in its table is the id that the public weights learned.

The order is a fact of those weights: 322 phones of Mandarin, English, Japanese and pauses in code point order; v2 goes
on with Japanese pitch marks, Korean and Cantonese (732 in all). Cantonese phones begin with Y to keep clear of the rest.
"""

from collections.abc import Sequence
from typing import Literal

Version = Literal["v1", "v2", "v2Pro", "v2ProPlus"]

PUNCTUATION = ("!", "?", "…", ",", ".", "-")
PAD, UNKNOWN = "_", "UNK"
PAUSES = ("SP", "SP2", "SP3")

MANDARIN_INITIALS = "AA EE OO b c ch d f g h j k l m n p q r s sh t w x y z zh".split()
MANDARIN_FINALS = (
    "E En a ai an ang ao e ei en eng er i i0 ia ian iang iao ie in ing iong ir iu o ong ou "
    "u ua uai uan uang ui un uo v van ve vn"
).split()
JAPANESE = "I N U a b by ch cl d dy e f g gy h hy i j k ky m my n ny o p py r ry s sh t ts u v w y z".split()
# Every ARPAbet vowel has three stresses, but the table happens to hold two bare ones besides.
ARPABET_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split()
ARPABET_OTHERS = "B CH D DH ER F G HH IH JH K L M N NG P R S SH T TH V W Y Z ZH".split()
KOREAN = "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎㄲㄸㅃㅆㅉㅏㅓㅗㅜㅡㅣㅐㅔ空停"

CANTONESE_INITIALS = "b c d f g gw h j k kw l m n ng p s t w z".split()
CANTONESE_FINALS = (
    "a aa aai aak aam aan aang aap aat aau ai ak am an ang ap at au e ei ek eng eoi eon eot g i ik im in ing ip it iu "
    "k m n o oe oek oeng oi ok on ong ot ou p t u ui uk un ung ut yu yun yut"
).split()
# Finals that the table also holds without a tone.
CANTONESE_TONELESS = "a aa ai ak au e o oi ok on ou uk".split()


def _v1() -> tuple[str, ...]:
    mandarin = [final + tone for final in MANDARIN_FINALS for tone in "12345"]
    english = [vowel + stress for vowel in ARPABET_VOWELS for stress in "012"]
    groups = [PAD, UNKNOWN, *PAUSES, *PUNCTUATION, *MANDARIN_INITIALS, *mandarin, *JAPANESE, *english, *ARPABET_OTHERS]
    return tuple(sorted(set(groups)))


def _v2() -> tuple[str, ...]:
    toned = [final + tone for final in CANTONESE_FINALS for tone in "123456"]
    cantonese = {"Y" + phone for phone in CANTONESE_INITIALS + toned + CANTONESE_TONELESS}
    return (*_v1(), "[", "]", *sorted(KOREAN), *sorted(cantonese))


V1, V2 = _v1(), _v2()
_IDS = {"v1": {phone: number for number, phone in enumerate(V1)}, "v2": {phone: number for number, phone in enumerate(V2)}}


def table(version: str) -> tuple[str, ...]:
    """The phones of a model version in the order of their ids; every version after v1 has the table of v2."""
    return V1 if version == "v1" else V2


def knows(phone: str, version: str) -> bool:
    return phone in _IDS["v1" if version == "v1" else "v2"]


def ids(phones: Sequence[str], version: str) -> list[int]:
    """Ids of phones of the version's table (a phone outside it is a KeyError: spell it as `UNK` before)."""
    numbers = _IDS["v1" if version == "v1" else "v2"]
    return [numbers[phone] for phone in phones]
