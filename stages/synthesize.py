"""Speak lines with a voice.

Reads   voice/, or voice_at   a published voice
Writes  speech/<line>.wav     16 bit, 32 kHz, marked as generated in its metadata
        speech/manifest.jsonl one row a file: text, language, seconds, seed, speed, fragments
Drops   lines that are empty or cannot be pronounced, with the reason
"""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from voicemill.contract import InputDir, Ledger, Location, OutputDir, stage


@stage(family="voice", cpu=2, memory="6Gi", gpu_memory="4Gi", results=("kept", "seconds"))
def synthesize(
    voice: InputDir | None,
    speech: OutputDir,
    *,
    models: Location,
    voice_at: Location = "",
    lines: Location = "",
    language: str = "",
    lexicon: Location = "",
    polyphones: Literal["auto", "g2pw", "pypinyin"] = "auto",
    other_references: Location = "",
    top_k: Annotated[int, Ge(1)] = 15,
    top_p: Annotated[float, Gt(0), Le(1)] = 1.0,
    temperature: Annotated[float, Ge(0)] = 1.0,
    repetition_penalty: Annotated[float, Gt(0)] = 1.35,
    speed: Annotated[float, Ge(0.25), Le(4)] = 1.0,
    cut: Literal["cut0", "cut1", "cut2", "cut3", "cut4", "cut5"] = "cut5",
    pause: Annotated[float, Ge(0)] = 0.3,
    batch_size: Annotated[int, Ge(1)] = 16,
    seed: int = 0,
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto",
    compiled: bool = False,
) -> Ledger:
    """Speak lines with a voice.

    Args:
        voice: A published voice.
        speech: Where the files go, named by the number of their line.
        models: Models folder, for HuBERT and, where Mandarin is spoken, BERT.
        voice_at: Folder or s3:// address of a published voice, instead of `voice`.
        lines: A text file with one line each, JSON lines (text; language, speed and seed where they differ), or the
            text itself; empty speaks a few sentences in the voice's language.
        language: Language of the lines: auto, en, zh, ja, ko, yue; empty is the voice's own.
        lexicon: Your own pronunciations, a lexicon.csv with the columns word, language and reading; they go over the
            voice's.
        polyphones: Who tells Mandarin polyphones apart: g2pW, the phrase dictionaries of pypinyin, or as the voice's
            training texts were read (auto).
        other_references: A recording of the speaker, or a folder of them, of any length, whose voice is averaged with
            the one of the voice's own reference.
        top_k: Tokens to choose from at each step.
        top_p: Choose from the likeliest tokens that make up this probability; 1 is all.
        temperature: Below 1 is steadier, above 1 livelier.
        repetition_penalty: Above 1 speaks the same token less often.
        speed: 2 is twice as fast.
        cut: Where lines are cut into pieces: cut0 nowhere, cut1 after four phrases, cut2 at 50 characters, cut3 at the
            Chinese full stop, cut4 at the English one, cut5 at every mark.
        pause: Silence after each piece, in seconds.
        batch_size: Pieces that are spoken at once.
        seed: The same seed speaks a line the same way.
        precision: Arithmetic; auto is half precision on a GPU and fp32 on a CPU. On a CPU, bf16 is faster where the
            processor has it, and int8, which is for the token model only, faster still.
        compiled: Compile the part that makes the sound, which takes a minute and a C++ compiler; for many lines.
    """
    import json
    from dataclasses import replace
    from pathlib import Path

    from voicemill import __version__, pronunciation
    from voicemill.contract import progress
    from voicemill.errors import UsageError
    from voicemill.gpt_sovits.gpt.decoding import Sampling
    from voicemill.gpt_sovits.synthesis import Options
    from voicemill.held_out import LINES
    from voicemill.lines import read_lines
    from voicemill.models import at_hand
    from voicemill.registry import version_of
    from voicemill.speaking import load_voice, recordings_in, write_speech
    from voicemill.storage import fetch, is_remote

    options = Options(Sampling(top_k, top_p, temperature, repetition_penalty), cut, pause, batch_size)
    if voice is None and not voice_at:
        raise UsageError("say with --voice or --voice-at which voice is to speak")
    folder = voice or fetch(voice_at)
    version = version_of(folder).version
    pretrained = at_hand(models)
    pronounced = pronunciation.load(pretrained, lexicon=lexicon, polyphones=polyphones, trained=folder)
    speaking = load_voice(folder, pretrained, precision=precision, compiled=compiled, reading=pronounced.reading)
    synthesizer = speaking.synthesizer
    lines = lines or "\n".join(LINES[speaking.voice.language])
    is_file = is_remote(lines) or ("\n" not in lines and len(lines) < 4096 and Path(lines).is_file())
    wanted = read_lines(fetch(lines) if is_file else lines)

    ledger = Ledger()
    scripts, rows = [], []
    for line in wanted:
        with ledger.item(line.name):
            settings = {"language": language or speaking.voice.language, "speed": speed, "seed": seed} | line.settings()
            scripts.append(synthesizer.script(cut=cut, **settings))
            rows.append({"file": f"{line.name}.wav", **settings})
    if not scripts:
        ledger.require(1, "lines to speak")

    others = recordings_in(fetch(other_references)) if other_references else []
    prompt = synthesizer.prepare(replace(speaking.reference, others=tuple(others)))
    together = 4 * batch_size
    with (speech / "manifest.jsonl").open("w", encoding="utf-8") as manifest:
        for start in progress(range(0, len(scripts), together), "speaking"):
            spoken = synthesizer.perform(scripts[start : start + together], prompt, options)
            for row, said in zip(rows[start : start + together], spoken, strict=True):
                provenance = {
                    "generated": True,
                    "speaker": speaking.voice.speaker,
                    "voice": version,
                    "text": row["text"],
                    "seed": row["seed"],
                    "by": f"voicemill {__version__}",
                }
                write_speech(
                    speech / row["file"],
                    said.pcm16(),
                    said.rate,
                    provenance=json.dumps(provenance, ensure_ascii=False),
                    software=f"voicemill {__version__}",
                )
                manifest.write(json.dumps({**row, "voice": version, **said.report}, ensure_ascii=False) + "\n")
                silent = said.report["unpronounced"]
                details = {"unpronounced": silent} if silent else {}
                name = row["file"].removesuffix(".wav")
                ledger.keep(name, seconds=said.seconds, cut_off=said.report["cut_off"], **details)
    ledger.note(**pronounced.notes())
    return ledger


if __name__ == "__main__":
    synthesize.main()
