"""Titles, acronyms, Roman numbers and signs between words, written as they are said."""

import re
from re import Match

from voicemill.text.english.figures import Rule, ordinal

_TITLES = {
    "Dr": "Doctor", "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Prof": "Professor", "St": "Saint", "Mt": "Mount",
    "Gen": "General", "Col": "Colonel", "Capt": "Captain", "Sgt": "Sergeant", "Lt": "Lieutenant", "Rev": "Reverend",
    "Sen": "Senator", "Gov": "Governor", "Pres": "President", "Hon": "Honorable", "Ft": "Fort",
}  # fmt: skip
_BEHIND = {
    "Jr": "Junior", "Sr": "Senior", "Inc": "Incorporated", "Ltd": "Limited", "Corp": "Corporation", "Ave": "Avenue",
    "Blvd": "Boulevard", "Rd": "Road", "St": "Street", "Dept": "Department", "approx": "approximately", "vs": "versus",
}  # fmt: skip
# Acronyms that are said as words.
_WORDS = (
    "NASA NATO UNESCO UNICEF OPEC COVID AIDS FIFA UEFA NAFTA ASEAN SWAT SCUBA RADAR LIDAR SONAR LASER RAM ROM SIM PIN "
    "GIF JPEG ASCII CAPTCHA POTUS SCOTUS"
)
_ROMAN = {"I": 1, "V": 5, "X": 10}
_COUNTED = "War|Chapter|Part|Volume|Act|Scene|Phase|Type|Level|Book|Episode|Section|Class|Mark|Title|Article|Season"
_CROWNED = (
    "Henry|Louis|George|Edward|Charles|James|William|Elizabeth|Richard|Paul|Napoleon|Philip|Alexander|Nicholas|Peter|"
    "Catherine|Frederick|Benedict|Pius|Leo|Ramses|Ferdinand|Francis|Wilhelm"
)


def _roman(letters: str) -> int:
    values = [_ROMAN[letter] for letter in letters]
    return sum(-one if one < after else one for one, after in zip(values, [*values[1:], 0], strict=True))


def _crowned(match: Match[str]) -> str:
    return f"{match[1]} the {ordinal(_roman(match[2]))}"


RULES: list[Rule] = [
    (re.compile(pattern), mended)
    for pattern, mended in [
        (r"\bhttps?://|\bmailto:", ""),
        (r"\bNo\.\s?(?=\d)|№\s?(?=\d)", "number "),
        (rf"\b({'|'.join(_TITLES)})\.\s+(?=[A-Z]|and\b)", lambda m: f"{_TITLES[m[1]]} "),
        (rf"\b({'|'.join(_BEHIND)})\.(?=\s+[a-z]|,)", lambda m: _BEHIND[m[1]]),
        (rf"\b({'|'.join(_BEHIND)})\.(?=\s*$|\s+[A-Z])", lambda m: f"{_BEHIND[m[1]]}."),
        (rf"\b({_COUNTED})\s([IVX]+)\b", lambda m: f"{m[1]} {_roman(m[2])}"),
        (rf"\b({_CROWNED})\s([IVX]{{1,6}})\b(?![.'’])", _crowned),
        (rf"\b(?:{'|'.join(_WORDS.split())})\b", lambda m: m[0].capitalize()),
        (r"\b([A-Z]{2,})s\b", r"\1's"),
        (r"\b[Ww]i-?[Ff]i\b", "wifi"),
        (r"(?<=[A-Za-z])-(?=[A-Z])", " "),
        (r"(?<=[A-Za-z])-$", ""),
        (r"(?<=[A-Za-z])/(?=[A-Za-z])", " "),
        (r"(?<![\w.])@(?=\w)", "at "),
        # An apostrophe that parts nothing is a quotation mark or a letter left out, not a pause.
        (r"(?i)\brock\s?'n'?\s?roll\b", "rock and roll"),
        (r"(?<![A-Za-z0-9])'(?!\d0s)|(?<=[A-Za-z])'(?![A-Za-z])", ""),
    ]
]
