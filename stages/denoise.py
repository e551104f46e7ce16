"""Take noise out of the recordings that need it.

Reads   audio/*.wav, dereverbed/*.wav, measures.json     `denoise: true` marks the recordings that need it
Writes  denoised/*.wav     those recordings only; float32, same rates, channels and lengths to the sample
Drops   recordings that the model cannot work on; the stages after this one then use them as they were
"""

from voicemill.contract import FolderLocation, InputDir, InputFile, Ledger, OutputDir, stage


@stage(family="separation", cpu=2, memory="8Gi", gpu_memory="6Gi", results=("kept",))
def denoise(
    audio: InputDir,
    measures: InputFile,
    denoised: OutputDir,
    dereverbed: InputDir | None = None,
    *,
    models: FolderLocation,
    model: str = "UVR-DeNoise.pth",
) -> Ledger:
    """Take noise out of the recordings that need it.

    Args:
        audio: Folder of recordings, from separate.
        measures: What assess-quality found; it decides which recordings need this.
        denoised: Where the cleaned recordings go; only those.
        dereverbed: What dereverb made; a recording in it takes the place of the one in audio.
        models: Models folder; its separation/ is audio-separator's model folder.
        model: File name of the model, one with a stem "No Noise".
    """
    from voicemill.audio import separation
    from voicemill.audio.recordings import overlay
    from voicemill.models import locate

    ledger = Ledger()
    sources = separation.flagged(overlay(audio, dereverbed), measures, "denoise")
    separation.separate_files(
        ledger, sources, denoised, models=locate(models, "separation"), model=model, stem=separation.NO_NOISE
    )
    return ledger


if __name__ == "__main__":
    denoise.main()
