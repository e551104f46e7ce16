"""Find out whether one person speaks in the clips or several, and keep one of them where that is asked for.

Reads   clips/*.wav    from slice
        speaker_of     a sample of the right person, if there are others
Writes  kept/*.wav    the same clips; with speaker_of those of that person
Drops   with speaker_of: clips of other people, clips in which another person speaks too, clips with too little speech
"""

from typing import Annotated

from annotated_types import Ge, Le

from voicemill.contract import FileLocation, InputDir, Ledger, OutputDir, stage


@stage(family="evaluation", cpu=1, memory="4Gi", results=("kept", "seconds", "speakers"))
def identify_speakers(
    clips: InputDir,
    kept: OutputDir,
    *,
    speaker_of: FileLocation = "",
    same_speaker: Annotated[float, Ge(0), Le(1)] = 0.68,
) -> Ledger:
    """Find out whether one person speaks in the clips or several, and keep one of them where that is asked for.

    Speaker embeddings of windows of 3.6 s are clustered. More than one speaker is a warning, and stands in the ledger,
    the report and the stage's summary with the minutes of each; nothing is dropped unless a sample is given.

    Args:
        clips: Folder of clips, from slice.
        kept: Where the clips go on.
        speaker_of: A recording, of some seconds or more, in which only the right person speaks. Clips of others, and
            clips in which others speak too, are dropped.
        same_speaker: Mean cosine of embeddings from which two groups of clips count as one person. Lower where one
            person is taken for several.
    """
    from voicemill import storage
    from voicemill.evaluation import speaker_selection

    ledger = Ledger()
    sample = storage.fetch(speaker_of) if speaker_of else None
    speaker_selection.select(ledger, clips, kept, sample, same_speaker)
    ledger.require(1, "clips")
    return ledger


if __name__ == "__main__":
    identify_speakers.main()
