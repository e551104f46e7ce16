"""How a voice's texts are read: the user's lexicon, and who tells polyphones apart.

A voice is to be read as its training texts were: `format` leaves a record in the dataset, `publish` takes it into the
voice, and whoever speaks reads by it.

    reading.json    {"polyphones": "g2pw" or "pypinyin"}
    lexicon.csv     the user's lexicon, if there was one
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from voicemill import storage
from voicemill.core import untrusted
from voicemill.core.errors import InputError, MissingModelError
from voicemill.core.logs import get_logger
from voicemill.models import locate
from voicemill.text import Lexicon, Reading
from voicemill.text.mandarin.g2pw import G2pw

log = get_logger(__name__)

Polyphones = Literal["auto", "g2pw", "pypinyin"]
LEXICON, _RECORD = "lexicon.csv", "reading.json"


@dataclass(frozen=True)
class Pronunciation:
    """A reading, and what to record of it.

    Attributes:
        reading: For the front-end.
        polyphones: g2pw or pypinyin.
        lexicon: The file of the user's own words.
    """

    reading: Reading
    polyphones: str
    lexicon: Path | None = None

    def record(self, folder: Path) -> None:
        """Leave in a folder what `load` goes by."""
        text = json.dumps({"polyphones": self.polyphones})
        (folder / _RECORD).write_text(text + "\n", encoding="utf-8")
        if self.lexicon:
            shutil.copyfile(self.lexicon, folder / LEXICON)

    def notes(self) -> dict[str, str | int]:
        """For a stage's summary."""
        words = {"lexicon": len(self.reading.lexicon)} if self.reading.lexicon else {}
        return {"polyphones": self.polyphones, **words}


def load(
    models: Path | None, *, lexicon: str = "", polyphones: Polyphones = "auto", trained: Path | None = None
) -> Pronunciation:
    """Return the pronunciation for a stage.

    Args:
        models: Models folder, if there is one; g2pW is in it, or is not.
        lexicon: Where a lexicon.csv is, or nothing; it goes over the recorded one.
        polyphones: Who reads polyphones. `auto` is who read the training texts; where none are recorded, g2pW if it is
            there.
        trained: Dataset or voice, for its record.

    Raises:
        InputError: The lexicon cannot be used.
        MissingModelError: g2pW is asked for and is not there.
    """
    recorded = _recorded(trained) if trained else ""
    own = trained / LEXICON if trained and (trained / LEXICON).is_file() else None
    file = storage.fetch(lexicon) if lexicon else None
    words = Lexicon.read(own) if own else None
    if file:
        words = Lexicon.read(file).over(words)
    wanted = _wants_g2pw(polyphones, recorded)
    reader = _g2pw(models, required=polyphones == "g2pw") if wanted and models else None
    name = "g2pw" if reader else "pypinyin"
    if recorded and name != recorded:
        log.warning("training used %s for polyphones, synthesis uses %s: some readings may differ", recorded, name)
    return Pronunciation(Reading(words, reader), name, file or own)


def recorded_files(folder: Path) -> list[Path]:
    """Return the files of a dataset or voice that say how it is read."""
    return [path for path in (folder / _RECORD, folder / LEXICON) if path.is_file()]


def _recorded(folder: Path) -> str:
    path = folder / _RECORD
    if not path.is_file():
        return ""
    hint = "format the clips again"
    found = untrusted.read_json(path, dict, hint=hint).get("polyphones")
    if not isinstance(found, str):
        raise InputError(f"{path} does not record the polyphone model; {hint}")
    return found


def _wants_g2pw(polyphones: Polyphones, recorded: str) -> bool:
    return (recorded or "g2pw") == "g2pw" if polyphones == "auto" else polyphones == "g2pw"


def _g2pw(models: Path, *, required: bool) -> G2pw | None:
    try:
        return G2pw(locate(models, "g2pw"), _tokenizer(models))
    except MissingModelError:
        if required:
            raise
        return None


def _tokenizer(models: Path) -> Path:
    """Return BERT's tokenizer, which is the same beside its weights and beside its graph."""
    try:
        return locate(models, "bert", file="tokenizer.json")
    except MissingModelError:
        return locate(models, "bert-onnx", file="tokenizer.json")
