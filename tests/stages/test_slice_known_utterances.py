"""The slicer against utterances whose times are known; test_slicing.py makes the same promises without them."""

import csv
from itertools import pairwise

from tests.shared import SHARED
from voicemill.audio import reading
from voicemill.stages.normalize import normalize
from voicemill.stages.slice import slice_clips


def spans(folder) -> list[tuple[float, float]]:
    parts = [path.stem.rsplit("_", 2) for path in sorted(folder.glob("*.wav"))]
    return [(int(start) / 32_000, int(end) / 32_000) for _, start, end in parts]


def test_known_utterances_are_found_whole(tmp_path):
    assert SHARED
    source = SHARED / "data" / "hard" / "long" / "concat_pauses.flac"
    (tmp_path / "audio").mkdir()
    audio = reading.read(source)
    reading.write_wav(tmp_path / "audio" / "long.wav", audio.samples, audio.rate)
    normalize(tmp_path / "audio", tmp_path / "levelled")
    slice_clips(tmp_path / "levelled", tmp_path / "clips", max_seconds=15.0)
    clips = spans(tmp_path / "clips")
    with source.with_name("concat_pauses.segments.csv").open(encoding="utf-8") as stream:
        utterances = [(float(row["start_s"]), float(row["end_s"])) for row in csv.DictReader(stream, delimiter="|")]
    for start, end in utterances:
        covered = sum(max(0.0, min(end, clip_end) - max(start, clip_start)) for clip_start, clip_end in clips)
        # The recordings themselves begin and end with some silence.
        assert covered >= end - start - 0.6, (start, end)
    for (_, pause_start), (pause_end, _) in pairwise(utterances):
        for clip_start, clip_end in clips:
            # A clip only reaches over a pause where it would be shorter than 4 s without what follows.
            if pause_end - pause_start > 1 and clip_start < pause_start and pause_end < clip_end:
                assert pause_start - clip_start < 4
