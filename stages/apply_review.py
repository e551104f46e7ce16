"""Make the dataset that was approved: clips and transcripts as proofreading left them, or as they were heard.

Reads   sliced/*.wav                   from slice
        heard/transcripts.*            from transcribe
        levelled/*.wav                 from normalize; clips that were merged or split are cut from it, as slice does
        review                         what was approved in the proofreading page
Writes  clips/*.wav                    the clips to train on
        transcripts/transcripts.list   what is said in them, and transcripts.json, as transcribe writes them
        transcripts/review.json        who approved what when; goes into the voice's lineage
Drops   what the reviewer dropped, and clips without words
"""

from typing import Annotated, Literal

from annotated_types import Ge

from voicemill.contract import FileLocation, InputDir, Ledger, OutputDir, stage
from voicemill.registry.names import SpeakerName


@stage(
    family="audio",
    cpu=1,
    memory="4Gi",
    results=("reviewer", "kept", "dropped", "edited", "recut", "seconds", "digest"),
)
def apply_review(
    sliced: InputDir,
    heard: InputDir,
    clips: OutputDir,
    transcripts: OutputDir,
    levelled: InputDir | None = None,
    *,
    speaker: SpeakerName,
    proofreading: str = "Succeeded",
    review: FileLocation = "",
    given_review: FileLocation = "",
    on_review_timeout: Literal["continue", "drop-flagged", "fail"] = "continue",
    min_clips: Annotated[int, Ge(1)] = 2,
) -> Ledger:
    """Make the dataset that was approved: clips and transcripts as proofreading left them.

    Args:
        sliced: Folder of clips, from slice.
        heard: Transcripts, from transcribe.
        clips: Where the clips to train on go.
        transcripts: Where their transcripts go.
        levelled: Folder of recordings, from normalize. Without it, merged clips are joined from those that were cut.
        speaker: Name of the speaker, for the list.
        proofreading: How the wait for a reviewer ended, as the engine says: Skipped means that nobody was asked.
        review: The approved.json that the proofreading page wrote for this run.
        given_review: An approved.json of an earlier review of the same transcripts; then nobody is waited for.
        on_review_timeout: What to do where nobody approved before the time was over: continue with what the recogniser
            wrote, leave out the clips that it was unsure of (drop-flagged), or fail.
        min_clips: With fewer clips left the stage fails.
    """
    from voicemill.core.errors import InputError
    from voicemill.dataset.apply_review import Sources, reviewed, unreviewed, write
    from voicemill.storage import fetch

    ledger = Ledger()
    place = given_review or review
    was_asked = proofreading == "Succeeded"
    if not place and was_asked and on_review_timeout == "fail":
        raise InputError(
            "the transcripts were not approved in time; open `voicemill proofread`, approve, and run again"
        )
    if place:
        decided = reviewed(heard, fetch(place))
    else:
        decided = unreviewed(heard, drop_flagged=was_asked and on_review_timeout == "drop-flagged")
    write(ledger, decided, Sources(sliced, levelled), clips, transcripts, speaker)
    ledger.require(min_clips, "clips with a transcript")
    return ledger


if __name__ == "__main__":
    apply_review.main()
