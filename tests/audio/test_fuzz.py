"""Two hundred damaged recordings: each is read or refused with a sentence, and none ends the stage."""

from pathlib import Path

import pytest

from tests.audio import fuzz
from voicemill.audio import reading
from voicemill.core.errors import InputError
from voicemill.stages.ingest import ingest

COUNT, SEED = 200, 19


@pytest.fixture(scope="module")
def damaged(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "damaged").mkdir()
    for name, content in fuzz.mutants(fuzz.write_seeds(folder / "seeds"), COUNT, SEED):
        (folder / "damaged" / name).write_bytes(content)
    return folder / "damaged"


def test_no_damaged_file_ends_the_stage_or_vanishes(damaged):
    ledger = ingest(damaged.parent / "audio", source=str(damaged), min_minutes=0.0)
    assert len(ledger.entries) == COUNT
    assert ledger.kept > COUNT / 2
    assert all(entry.get("reason", "kept") for entry in ledger.entries)
    # Longest honest content: a file glued to another, or a piece of it three times over.
    assert max(entry["seconds"] for entry in ledger.entries if entry["outcome"] == "kept") < 5 * fuzz.SECONDS


def test_a_file_that_lost_a_piece_says_so(damaged, tmp_path):
    """Of containers that count their samples, nothing may be missing without a note."""
    counted = ("pcm16.wav", "pcm16.flac", "pcm16.aiff", "cbr.mp3", "vbr.mp3", "aac.mp4", "alac.m4a")
    judged = 0
    for seed in (damaged.parent / "seeds").iterdir():
        if seed.name not in counted:
            continue
        whole = reading.read(seed)
        assert whole.notes == ()
        content = seed.read_bytes()
        for share in (0.5, 0.7, 0.9):
            (tmp_path / seed.name).write_bytes(content[: int(share * len(content))])
            try:
                cut = reading.read(tmp_path / seed.name)
            except InputError:
                continue  # an MP4 whose table was at its end
            judged += 1
            assert cut.seconds < 0.95 * whole.seconds and cut.notes, (seed.name, share)
    assert judged >= 3 * (len(counted) - 1)
