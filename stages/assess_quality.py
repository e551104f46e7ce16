"""Measure noise and reverberation, and decide which recordings are to be cleaned of them.

Reads   audio/*.wav      from separate, and audio/quality.json, what separate measured of those it left as they came
Writes  measures.json    of each recording bak, sig, ovrl (DNSMOS), decay (dB/s), and the decisions dereverb and denoise
Drops   recordings that cannot be read
"""

from pathlib import Path
from typing import Literal

from voicemill.contract import InputDir, Ledger, OutputFile, stage


@stage(family="audio", cpu=1, memory="4Gi", results=("dereverb", "denoise"))
def assess_quality(
    audio: InputDir,
    measures: OutputFile,
    *,
    dereverb: Literal["auto", "always", "never"] = "auto",
    denoise: Literal["auto", "always", "never"] = "auto",
) -> Ledger:
    """Measure noise and reverberation, and decide which recordings are to be cleaned of them.

    Args:
        audio: Folder of recordings, from separate.
        measures: JSON file with the measures and decisions, by recording.
        dereverb: Which recordings go through dereverb: auto, those whose sound dies away slower than 165 dB/s (a
            reverberation time of about 0.5 s or more); always, all; never, none.
        denoise: Which recordings go through denoise: auto, those with a DNSMOS background score below 2.6.
    """
    import json
    from dataclasses import asdict

    from voicemill.audio import quality, reading
    from voicemill.audio.recordings import overlay
    from voicemill.core.parallel import ahead

    sources = overlay(audio)
    known = quality.kept(sources)

    def measure(item: tuple[str, Path]) -> tuple[float, quality.Quality]:
        name, path = item
        sound = reading.read(path)
        return sound.seconds, known.get(name) or quality.measure(reading.to_mono(sound.samples)[0], sound.rate)

    ledger = Ledger()
    measured: dict[str, dict[str, object]] = {}
    working = ahead(measure, sources.items(), size=lambda item: item[1].stat().st_size)
    for (name, _), done in ledger.each(working, total=len(sources), name=lambda pair: pair[0][0], label="measuring"):
        with ledger.item(name):
            seconds, found = done.result()
            decisions = {
                "dereverb": quality.opens(dereverb, found.reverberant),
                "denoise": quality.opens(denoise, found.noisy),
            }
            measured[name] = {**asdict(found), **decisions}
            ledger.keep(name, seconds=round(seconds, 3), **measured[name])
    ledger.require(1, "recordings")
    measures.write_text(json.dumps(measured, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    ledger.note(**{gate: sum(bool(row[gate]) for row in measured.values()) for gate in ("dereverb", "denoise")})
    return ledger


if __name__ == "__main__":
    assess_quality.main()
