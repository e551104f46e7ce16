"""Recordings whose length, tracks or headers are not what they seem: each is ingested beside a good one."""

import re
import shutil
from pathlib import Path

from tests.cases import Case, case
from voicemill.stages.ingest import ingest

GOOD = "good.flac"
# Codecs pad and prime by up to a frame or two.
_TOLERANCE_SECONDS = 0.05


def _kept(name: str, seconds: float, note: str = "", tolerance: float = _TOLERANCE_SECONDS) -> Case:
    """The file is kept with so many seconds; its notes, joined, match `note` whole."""

    def run(folder: Path) -> tuple[str, bool]:
        source = folder / "source"
        source.mkdir()
        for each in (name, GOOD):
            shutil.copyfile(case(each), source / each)
        ledger = ingest(folder / "audio", source=str(source), min_minutes=0.05)
        by_name = {entry["item"]: entry for entry in ledger.entries}
        entry = by_name[name]
        notes = "; ".join(entry.get("notes", []))
        got = f"{entry['outcome']}: {entry.get('reason') or str(entry['seconds']) + ' s'}{notes and ' (' + notes + ')'}"
        is_right = (
            by_name[GOOD]["outcome"] == "kept"
            and entry["outcome"] == "kept"
            and abs(entry["seconds"] - seconds) <= tolerance
            and re.fullmatch(note, notes) is not None
        )
        return got, is_right

    return run


CASES: dict[str, Case] = {
    "flac_unknown_length.flac": _kept("flac_unknown_length.flac", 5.14),
    "voicemail_gsm.wav": _kept("voicemail_gsm.wav", 5.16),
    "aac_params_change.aac": _kept("aac_params_change.aac", 10.9, "the format changes within the file .+"),
    "mp3_vbr_noxing_q2.mp3": _kept("mp3_vbr_noxing_q2.mp3", 5.14),
    "mp3_joined.mp3": _kept("mp3_joined.mp3", 7.08),
    "mp3_rate_change.mp3": _kept("mp3_rate_change.mp3", 7.09, "the format changes within the file .+"),
    "mp3_mono_then_stereo.mp3": _kept("mp3_mono_then_stereo.mp3", 7.08, "the format changes within the file .+"),
    "mp3_cut_end.mp3": _kept("mp3_cut_end.mp3", 2.46, r"truncated or damaged: 2\.46 of 5\.14 s decoded"),
    "ogg_chained.ogg": _kept("ogg_chained.ogg", 7.05),
    "opus_chained.opus": _kept("opus_chained.opus", 7.04),
    "mkv_first_track_silent.mkv": _kept("mkv_first_track_silent.mkv", 1.95, "track 2 of 2 was used"),
    "mp4_default_second.mp4": _kept("mp4_default_second.mp4", 5.0, "track 2 of 2 was used"),
    "mka_tone_then_mic.mka": _kept("mka_tone_then_mic.mka", 5.2, "track 2 of 2 was used"),
    "mka_two_speech_tracks.mka": _kept("mka_two_speech_tracks.mka", 5.2, "track 1 of 2 was used"),
    "aac_whole_adts.aac": _kept("aac_whole_adts.aac", 5.2),
    "alac_whole.caf": _kept("alac_whole.caf", 1.9),
}
