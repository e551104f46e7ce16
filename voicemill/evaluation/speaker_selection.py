"""Clips of one person: who speaks in each, what to say where there are several people, and whose clips go on."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from voicemill.audio.clip_names import place_of
from voicemill.audio.reading import read_mono
from voicemill.contract import Ledger
from voicemill.core.errors import InputError
from voicemill.core.files import link_or_copy
from voicemill.core.logs import get_logger
from voicemill.evaluation.speaker_similarity import embed_windows
from voicemill.evaluation.speakers import LEAST_SECONDS, SAME_SPEAKER, Speakers, Windows, find_speakers

log = get_logger(__name__)

_RATE = 16_000


def select(
    ledger: Ledger, clips: Path, kept: Path, sample: Path | None = None, same_speaker: float = SAME_SPEAKER
) -> Speakers:
    """Cluster the speakers of a folder of clips and pass on all clips, or those of one person.

    Args:
        ledger: Gets an entry for each clip with its `speaker` and the seconds of `speech` of each; and in the
            summary the number of speakers, their minutes, and the recordings with more than one.
        clips: Folder of clips.
        kept: Folder for the clips that go on.
        sample: A recording of the person whose clips go on; without one, all do.
        same_speaker: See `find_speakers`.

    Raises:
        InputError: The sample cannot be read, has too little speech, or sounds like nobody in the clips.
    """
    windows: dict[str, Windows] = {}
    lengths: dict[str, float] = {}
    for path in ledger.each(sorted(clips.glob("*.wav")), label="listening for speakers"):
        with ledger.item(path.name):
            sound = read_mono(path, _RATE)
            windows[path.name] = Windows(*embed_windows(sound, _RATE))
            lengths[path.name] = round(len(sound) / _RATE, 3)
    speakers = find_speakers(windows, same_speaker)
    wanted = _wanted(speakers, sample, same_speaker) if sample is not None else 0
    for name, length in lengths.items():
        reason = _refusal(speakers, name, wanted) if wanted else None
        speech = {str(number): round(seconds, 1) for number, seconds in sorted(speakers.shares[name].items())}
        details = {"seconds": length, "speaker": speakers.main(name), "speech": speech}
        if reason:
            ledger.drop(name, reason, **details)
        else:
            link_or_copy(clips / name, kept / name)
            ledger.keep(name, **details)
    _tell(ledger, speakers, wanted)
    return speakers


def _wanted(speakers: Speakers, sample: Path, same_speaker: float) -> int:
    embeddings, seconds = embed_windows(read_mono(sample, _RATE), _RATE)
    if len(embeddings) * seconds < LEAST_SECONDS:
        raise InputError(
            f"{sample.name} has {len(embeddings) * seconds:.1f} s of speech: a sample of a speaker needs "
            f"{LEAST_SECONDS:g} s or more"
        )
    voice = embeddings.mean(axis=0)
    number, cosine = speakers.like(voice / np.linalg.norm(voice))
    if cosine < same_speaker:
        raise InputError(
            f"the speaker of {sample.name} is not in the clips: the nearest of {len(speakers.voices)} has a cosine of "
            f"{cosine:.2f}, and one person's is {same_speaker:g} or more; use another sample, or lower --same-speaker"
        )
    log.info("speaker %d sounds like %s (cosine %.2f)", number, sample.name, cosine)
    return number


def _refusal(speakers: Speakers, clip: str, wanted: int) -> str | None:
    """Return why a clip does not go on; None where it does."""
    share = speakers.shares[clip]
    if not share:
        return "too little speech to tell who speaks"
    others = {number: seconds for number, seconds in share.items() if number != wanted}
    if not others:
        return None
    whole = sum(share.values())
    names = " and ".join(str(number) for number in sorted(others))
    if wanted not in share:
        return f"another person speaks in it (speaker {names}; the sample is of speaker {wanted})"
    return f"another person speaks in it too (speaker {names}, {sum(others.values()):.1f} of {whole:.1f} s)"


def _tell(ledger: Ledger, speakers: Speakers, wanted: int) -> None:
    minutes = {str(number): round(seconds / 60, 2) for number, seconds in speakers.seconds.items()}
    by_recording: dict[str, set[int]] = defaultdict(set)
    for clip, share in speakers.shares.items():
        by_recording[place_of(clip)[0]] |= share.keys()
    several = sorted(recording for recording, numbers in by_recording.items() if len(numbers) > 1)
    ledger.note(speakers=len(minutes), minutes=minutes, recordings_with_several=several)
    if len(minutes) < 2:
        return
    each = ", ".join(f"speaker {number} {value:.1f} min" for number, value in minutes.items())
    if wanted:
        log.info("%d people speak in the clips (%s): those of speaker %d go on", len(minutes), each, wanted)
    else:
        log.warning(
            "%d people seem to speak in the clips (%s): a voice made of all of them is a mixture; give --speaker-of "
            "a sample of the right person",
            len(minutes),
            each,
        )
