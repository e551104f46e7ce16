"""Take the voice out of recordings in which something else sounds.

Reads   audio/*.wav          any rate, mono or stereo
Writes  vocals/*.wav         float32, same names, rates, channels and lengths to the sample; recordings in which nothing
                             but the voice sounds as they came
        vocals/quality.json  what was measured of those, for assess-quality
Drops   recordings that the model cannot work on, with the reason in the ledger
"""

from typing import Literal

from voicemill.contract import FolderLocation, InputDir, Ledger, OutputDir, stage


@stage(family="separation", cpu=2, memory="8Gi", gpu_memory="6Gi", results=("kept", "seconds"))
def separate(
    audio: InputDir,
    vocals: OutputDir,
    *,
    models: FolderLocation,
    when: Literal["auto", "always", "never"] = "auto",
    model: str = "model_bs_roformer_ep_317_sdr_12.9755.ckpt",
) -> Ledger:
    """Take the voice out of recordings in which something else sounds.

    Args:
        audio: Folder of recordings, from ingest.
        vocals: Where the voices go.
        models: Models folder; its separation/ is audio-separator's model folder.
        when: Which recordings are separated: auto, those with music or noise behind the voice (something sounds in the
            pauses, less than 34 dB below the speech, or a DNSMOS background score below 2.6); always, all; never, none.
        model: File name of the separation model, one that audio-separator lists and that has a stem "Vocals".
    """
    from voicemill.audio import separation
    from voicemill.audio.recordings import overlay
    from voicemill.models import locate

    ledger = Ledger()
    needing, why = separation.pass_by(ledger, overlay(audio), vocals, when)
    if needing:
        folder = locate(models, "separation")
        of_model = {"model": model, "stem": separation.VOCALS}
        separation.separate_files(ledger, needing, vocals, models=folder, why=why, **of_model)
    ledger.note(separated=len(needing))
    ledger.require(1, "recordings")
    return ledger


if __name__ == "__main__":
    separate.main()
