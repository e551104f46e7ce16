"""Take the voice out of recordings.

Reads   audio/*.wav      any rate, mono or stereo
Writes  vocals/*.wav     float32, same names, rates, channels and lengths to the sample
Drops   recordings that the model cannot work on, with the reason in the ledger
"""

from voicemill.contract import FolderLocation, InputDir, Ledger, OutputDir, stage


@stage(family="separation", cpu=2, memory="8Gi", gpu_memory="6Gi", results=("kept", "seconds"))
def separate(
    audio: InputDir,
    vocals: OutputDir,
    *,
    models: FolderLocation,
    model: str = "model_bs_roformer_ep_317_sdr_12.9755.ckpt",
) -> Ledger:
    """Take the voice out of recordings.

    Args:
        audio: Folder of recordings, from ingest.
        vocals: Where the voices go.
        models: Models folder; its separation/ is audio-separator's model folder.
        model: File name of the separation model, one that audio-separator lists and that has a stem "Vocals".
    """
    from voicemill.audio import separation
    from voicemill.audio.recordings import overlay
    from voicemill.models import locate

    ledger = Ledger()
    separation.separate_files(
        ledger, overlay(audio), vocals, models=locate(models, "separation"), model=model, stem=separation.VOCALS
    )
    ledger.require(1, "recordings")
    return ledger


if __name__ == "__main__":
    separate.main()
