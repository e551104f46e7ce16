"""What came of each speaker of a batch on a cluster, kept in S3: longer than any workflow is.

batches/<batch>/speakers/<speaker>.json     the row of the summary, what the voice was made from, and who asked
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from voicemill.batch.state import State
from voicemill.core import untrusted
from voicemill.storage import open_store

_READERS = 16
_HINT = "delete it to make this speaker again"
FOLDER = "speakers"


@dataclass(frozen=True)
class Record:
    """What came of a speaker.

    Attributes:
        input_digest: Of what the voice was made from.
        conductor: The run that asked for it.
        row: Its row of the summary.
    """

    input_digest: str
    conductor: str
    row: State


class Records:
    """A batch's records.

    Args:
        place: Folder or s3:// address below which batches have theirs.
        batch: The batch's name.
    """

    def __init__(self, place: str, batch: str) -> None:
        self.store = open_store(f"{place.rstrip('/')}/{batch}")

    def write(self, record: Record) -> None:
        """Keep one.

        Raises:
            TryAgain: if S3 cannot be reached.
        """
        fields = asdict(record)
        fields["mark"] = fields.pop("input_digest")
        content = json.dumps(fields, ensure_ascii=False)
        self.store.write(_key(record.row.speaker), content.encode())

    def read(self, speakers: Iterable[str]) -> dict[str, Record]:
        """Return those that there are of these speakers.

        Raises:
            TryAgain: if S3 cannot be reached.
        """
        there = {entry.key for entry in self.store.list(f"{FOLDER}/")}
        wanted = [speaker for speaker in speakers if _key(speaker) in there]
        with ThreadPoolExecutor(_READERS) as readers:
            return dict(zip(wanted, readers.map(self._read, wanted), strict=True))

    def _read(self, speaker: str) -> Record:
        key = _key(speaker)
        fields = untrusted.parse_json(self.store.read(key)[0], key, dict, hint=_HINT, nan=True)
        if "mark" in fields:
            fields["input_digest"] = fields.pop("mark")
        return untrusted.shaped(Record, fields, key, hint=_HINT)


def _key(speaker: str) -> str:
    return f"{FOLDER}/{speaker}.json"
