"""Take in a speaker's recordings.

Reads   source           a folder (with its subfolders), a file or an s3:// address; any audio or video format
Writes  audio/*.wav      32-bit float at the file's own rate, mono or stereo, named <stem>-<8 digits of its hash>.wav
        audio/recordings.jsonl   name, original path, sha256, rate, channels, seconds, notes of each
        audio/consent.json       what the speaker agreed to, in the words given
Drops   what is not audio, cannot be read, is too short, has no speech, or is there already under another name
"""

from typing import Annotated

from annotated_types import Ge

from voicemill.contract import Ledger, Location, OutputDir, TextOrFile, stage


@stage(family="audio", cpu=1, memory="4Gi", results=("kept", "seconds"))
def ingest(
    audio: OutputDir,
    *,
    source: Location,
    min_minutes: Annotated[float, Ge(0)] = 2.0,
    consent: TextOrFile = "",
    track: Annotated[int, Ge(0)] = 0,
) -> Ledger:
    """Take in a speaker's recordings.

    Args:
        audio: Where the recordings go.
        source: Folder (with its subfolders), file or s3:// address of the recordings.
        min_minutes: Least usable audio in all, in minutes; with less the stage ends with exit code 65.
        consent: What the speaker agreed to, and where that is on record, in words or as a file; kept with the
            recordings and the voice.
        track: Which audio track of files with several (videos), from 1; 0 takes the one with speech, of several the
            one that the file marks as default.
    """
    from voicemill.audio import intake, reading, recordings
    from voicemill.core.digests import file_digest
    from voicemill.core.errors import InputError
    from voicemill.core.folders import refuse_inside
    from voicemill.core.logs import get_logger
    from voicemill.core.parallel import ahead
    from voicemill.core.unreadable import as_input_error
    from voicemill.storage import fetch

    def take(file: intake.SourceFile) -> tuple[str, reading.Audio]:
        if file.problem:
            raise InputError(file.problem)
        with as_input_error(file.name):
            digest = file_digest(file.path)
        return digest, intake.take(file.path, track)

    place = fetch(source)
    refuse_inside(place, audio.parent, f"--audio lies inside --source {source}")
    ledger = Ledger()
    taken: list[recordings.Recording] = []
    first_of: dict[str, str] = {}
    files = intake.files_in(place)
    working = ahead(take, files, size=intake.decoded_size)
    for file, done in ledger.each(working, total=len(files), name=lambda pair: pair[0].name, label="reading"):
        with ledger.item(file.name):
            digest, sound = done.result()
            if digest in first_of:
                raise InputError(f"duplicate of {first_of[digest]}")
            first_of[digest] = file.name
            name = recordings.name_for(file.name, digest)
            reading.write_wav(audio / f"{name}.wav", sound.samples, sound.rate)
            taken.append(
                recordings.Recording(name, file.name, digest, sound.rate, sound.channels, sound.seconds, sound.notes)
            )
            ledger.keep(file.name, recording=name, seconds=round(sound.seconds, 3), notes=list(sound.notes))
    recordings.write_manifest(audio, taken)
    recordings.write_consent(audio, recordings.consent_of(consent))
    if not consent:
        get_logger(__name__).warning("no consent was recorded; record with --consent what the speaker agreed to")
    ledger.note(consent=bool(consent))

    usable = sum(recording.seconds for recording in taken)
    missing = 60 * min_minutes - usable
    if missing > 0 or not taken:
        raise InputError(
            f"{source}: {usable:.1f} s of usable audio in {len(taken)} recordings, {max(missing, 0):.1f} s short of the"
            f" {min_minutes:g} minutes needed (--min-minutes; {ledger.losses()}). Add recordings"
        )
    return ledger


if __name__ == "__main__":
    ingest.main()
