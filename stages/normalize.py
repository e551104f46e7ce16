"""Bring recordings to a common peak level.

Reads   audio/*.wav, dereverbed/*.wav, denoised/*.wav    of each recording the most cleaned version
Writes  levelled/*.wav   mono, 32-bit float, same rate and length
Drops   recordings that cannot be read; silence passes unchanged
"""

from typing import Annotated

from annotated_types import Ge, Le

from voicemill.contract import InputDir, Ledger, OutputDir, stage


@stage(family="audio", cpu=1, memory="4Gi", results=("kept", "seconds"))
def normalize(
    audio: InputDir,
    levelled: OutputDir,
    dereverbed: InputDir | None = None,
    denoised: InputDir | None = None,
    *,
    target: Annotated[float, Ge(-9), Le(-6)] = -7.5,
) -> Ledger:
    """Bring recordings to a common peak level.

    Args:
        audio: Folder of recordings, from separate.
        levelled: Where the levelled recordings go.
        dereverbed: Those that dereverb cleaned.
        denoised: Those that denoise cleaned; they stand in front of the dereverbed ones.
        target: Peak in dBFS.
    """
    from voicemill.audio import levels, reading
    from voicemill.audio.recordings import overlay

    ledger = Ledger()
    newest = overlay(audio, dereverbed, denoised)
    for name, path in ledger.each(newest.items(), total=len(newest), name=lambda item: item[0], label="levelling"):
        with ledger.item(name):
            sound = reading.read(path)
            mono, note = reading.to_mono(sound.samples)
            result, gain = levels.to_peak(mono, target)
            reading.write_wav(levelled / f"{name}.wav", result, sound.rate)
            details = {"note": note} if note else {}
            ledger.keep(
                name,
                seconds=round(sound.seconds, 3),
                gain_db=round(gain, 2),
                peak_dbfs=round(levels.peak_dbfs(result), 2) if result.any() else None,
                **details,
            )
    ledger.require(1, "recordings")
    return ledger


if __name__ == "__main__":
    normalize.main()
