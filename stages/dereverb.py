"""Take reverberation out of the recordings that need it.

Reads   audio/*.wav, measures.json     `dereverb: true` marks the recordings that need it
Writes  dereverbed/*.wav               those recordings only; float32, same rates, channels and lengths to the sample
Drops   recordings that the model cannot work on; the stages after this one then use them as they were
"""

from voicemill.contract import FolderLocation, InputDir, InputFile, Ledger, OutputDir, stage


@stage(family="separation", cpu=2, memory="8Gi", gpu_memory="6Gi", results=("kept",))
def dereverb(
    audio: InputDir,
    measures: InputFile,
    dereverbed: OutputDir,
    *,
    models: FolderLocation,
    model: str = "UVR-De-Echo-Normal.pth",
) -> Ledger:
    """Take reverberation out of the recordings that need it.

    Args:
        audio: Folder of recordings, from separate.
        measures: What assess-quality found; it decides which recordings need this.
        dereverbed: Where the cleaned recordings go; only those.
        models: Models folder; its separation/ is audio-separator's model folder.
        model: File name of the model, one with a stem "No Echo".
    """
    from voicemill.audio import separation
    from voicemill.audio.recordings import overlay
    from voicemill.models import locate

    ledger = Ledger()
    sources = separation.flagged(overlay(audio), measures, "dereverb")
    separation.separate_files(
        ledger, sources, dereverbed, models=locate(models, "separation"), model=model, stem=separation.NO_ECHO
    )
    return ledger


if __name__ == "__main__":
    dereverb.main()
