"""Speak lines with a voice.

Reads   voice/, or voice_at   a published voice
        shard                 lines of a script, from plan-script, instead of the parameter `text`
Writes  speech/<line>.wav     16 bit, 32 kHz, marked as generated in its metadata
        speech/manifest.jsonl one row a file: text, language, seconds, seed, speed, fragments, and what was heard
        speech/verification.json, verification.html   what became of the lines that were heard, the worst first
Drops   lines that are empty or cannot be pronounced, with the reason

What was spoken is kept in the state after each batch, from where a stage that was stopped or killed goes on.
"""

from typing import Annotated, Literal

from annotated_types import Ge, Le

from voicemill.contract import (
    Destination,
    FileLocation,
    FolderLocation,
    InputDir,
    InputFile,
    Ledger,
    Location,
    OutputDir,
    Overrides,
    Seed,
    StateDir,
    TextOrFile,
    VoiceLocation,
    micro_batch_divisor,
    stage,
)
from voicemill.voice.generation_config import Generation

JUDGED_BY = ("voicemill.asr",)
"""What hears the lines does not shape how they are spoken: when it changes, finished speech stays."""


@stage(
    family="evaluation",
    cpu=2,
    memory="6Gi",
    gpu_memory="4Gi",
    results=("kept", "seconds", "mended", "unfixable"),
    kept=("speech",),
)
def synthesize(
    voice: InputDir | None,
    speech: OutputDir,
    shard: InputFile | None = None,
    state: StateDir | None = None,
    *,
    models: FolderLocation = "",
    voice_at: VoiceLocation = "",
    registry: Destination = "",
    text: TextOrFile = "",
    language: str = "",
    reference: str = "",
    lexicon: FileLocation = "",
    polyphone_model: Literal["auto", "g2pw", "pypinyin"] = "auto",
    other_references: Location = "",
    generation: Overrides[Generation],
    batch_size: Annotated[int, Ge(1)] = 16,
    seed: Seed = 0,
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = "auto",
    runtime: Literal["auto", "torch", "onnx"] = "auto",
    compiled: bool = False,
    watermark: Literal["auto", "on", "off"] = "auto",
    word_times: bool = False,
    verify: Literal["auto", "off", "report", "mend"] = "auto",
    max_tries: Annotated[int, Ge(1), Le(32)] = 6,
    fail_on: Literal["nothing", "unfixable"] = "nothing",
) -> Ledger:
    """Speak lines with a voice.

    Args:
        voice: A published voice.
        speech: Where the files go, named by the number of their line.
        shard: Lines of a script, from plan-script, instead of `text`.
        state: What is spoken is kept here until all is; a stage that was stopped resumes from there.
        models: Models folder, for BERT where Mandarin is spoken, and for HuBERT and the speaker encoder where the voice
            does not carry what they find in its reference clips. A voice of ONNX graphs needs it for Mandarin only.
        voice_at: Folder or s3:// address of a published voice, instead of `voice`; with a registry SPEAKER,
            SPEAKER@ALIAS or SPEAKER@VERSION.
        registry: Folder or s3:// address of the registry, where the voice is named by it.
        text: A text file with one line each, JSON lines (text; language, speed, seed and reference where they
            differ), or the text itself; empty speaks a few sentences in the voice's language.
        language: Language of the lines: auto, en, zh, ja, ko, yue; empty is the voice's own.
        reference: Name of one of the voice's reference clips, for lines that name none; empty is the usual one.
        lexicon: Your own pronunciations, a lexicon.csv with the columns word, language and reading; they go over the
            voice's.
        polyphone_model: What tells Mandarin polyphones apart: g2pW, the phrase dictionaries of pypinyin, or as the
            voice's training texts were read (auto).
        other_references: A recording of the speaker, or a folder of them, of any length, whose voice is averaged with
            the one of the voice's own reference.
        generation: Default: the voice's own.
        batch_size: Pieces that are spoken at once.
        seed: The same seed speaks a line the same way.
        precision: Arithmetic; auto is half precision on a GPU and fp32 on a CPU. On a CPU, bf16 is faster where the
            processor has it, and int8, which has the token model's weights in int8 and the rest as bf16, faster still.
        runtime: What the models run by: auto is ONNX Runtime for a voice of ONNX graphs, which needs no torch, and
            torch for any other. Of any other, onnx lets ONNX Runtime run the token model, on a CPU, in fp32 or int8,
            which rounds each line by itself.
        compiled: Compile the part that makes the sound, which takes a minute and a C++ compiler; for many lines.
        watermark: Mark speech inaudibly as generated; auto does where the extra `watermark` is installed, on requires
            it.
        word_times: Find out when each word is said: `words` in the manifest, and a .srt, .vtt and .json file beside
            each line.
        verify: Let a recogniser hear every line: report what differs from the text, mend it by speaking the line again
            in other ways, or off; auto reports where Whisper is in the models folder.
        max_tries: How often mending speaks a line again at most.
        fail_on: Fail with exit code 65 where a line does not say its text in the end (unfixable), or count it and go on
            (nothing).
    """
    import json
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    from voicemill.core.errors import InputError, UsageError
    from voicemill.evaluation.sentences import SAMPLE, held_out_lines
    from voicemill.evaluation.verifying import verifier_for
    from voicemill.models import locate
    from voicemill.registry import fetch_voice, version_of
    from voicemill.storage import fetch, fingerprint
    from voicemill.synthesis import subtitles
    from voicemill.synthesis.batch_synthesis import Manner, speak_lines
    from voicemill.synthesis.options import options_of
    from voicemill.synthesis.resume_cache import Takes
    from voicemill.synthesis.script import read_lines, read_shard, source_of
    from voicemill.synthesis.speaking import load_voice, models_of, recordings_in
    from voicemill.synthesis.verification.outcome import KEY, summarize, unfixable
    from voicemill.voice import pronunciation

    together = max(1, batch_size // micro_batch_divisor())
    if voice is None and not voice_at:
        raise UsageError("give the voice with --voice or --voice-at")
    ledger = Ledger()
    with tempfile.TemporaryDirectory(prefix="voicemill-synthesize-") as work:
        folder = voice or fetch_voice(voice_at, registry, Path(work) / "voice")
        version = version_of(folder).version
        pretrained = models_of(folder, models)
        pronounced = pronunciation.load(pretrained, lexicon=lexicon, polyphones=polyphone_model, trained=folder)
        speaking = load_voice(
            folder,
            pretrained,
            precision=precision,
            compiled=compiled,
            reading=pronounced.reading,
            watermark=watermark,
            runtime=runtime,
        )
        how = generation.over(speaking.voice.generation).checked(f"the generation config of {speaking.voice.speaker}")
        speaking = speaking.prompted(how)
        if shard:
            wanted = read_shard(shard)
        else:
            text = text or "\n".join(held_out_lines(speaking.voice.language, SAMPLE))
            wanted = read_lines(source_of(text))
        options = replace(options_of(how, together), word_times=word_times)
        manner = Manner(language or speaking.voice.language, how.speed, seed, options, reference)
        others = fetch(other_references) if other_references else None
        verifier = verifier_for(verify, pretrained, manner.language, speaking, manner.options, max_tries)
        depends = {
            "voice": version,
            "hubert": "" if speaking.is_read or pretrained is None else fingerprint(locate(pretrained, "hubert")),
            "precision": precision,
            "runtime": runtime,
            "compiled": compiled,
            "watermark": speaking.synthesizer.mark.name if speaking.synthesizer.mark else "",
            "use_prompt": how.use_prompt,
            "polyphones": pronounced.polyphones,
            "lexicon": fingerprint(pronounced.lexicon) if pronounced.lexicon else "",
            "others": fingerprint(others) if others else "",
            "verifier": verifier.fingerprint() if verifier else {},
        }
        kept = state or Path(work) / "takes"
        kept.mkdir(exist_ok=True)
        takes = Takes(kept, manner.fingerprint(**depends))
        recordings = recordings_in(others) if others else []
        rows = speak_lines(
            wanted, speaking, manner, takes, ledger, version=version, others=recordings, verifier=verifier
        )
        takes.export([row["file"] for row in rows], speech)
        for row in rows if word_times else ():
            subtitles.write_all(speech / row["file"], [subtitles.words_of(row["text"], row["words"])])
    if not shard:
        # Of a script, collect-speech requires it: there may well be nothing to say in one of many shards.
        ledger.require(1, "lines to speak")
    manifest = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (speech / "manifest.jsonl").write_text(manifest, encoding="utf-8")
    ledger.note(seconds=round(sum(row["seconds"] for row in rows), 3), **pronounced.notes())
    found = summarize(row[KEY] for row in rows if KEY in row)
    ledger.note(mended=found.get("mended", 0), unfixable=unfixable(found))
    if verifier and rows:
        from voicemill.synthesis.verification import page

        ledger.note(verification=found)
        content = json.dumps(found, ensure_ascii=False, indent=1)
        (speech / "verification.json").write_text(content + "\n", encoding="utf-8")
        html = page.build(speaking.voice.speaker, rows, found)
        (speech / "verification.html").write_text(html, encoding="utf-8")
    if fail_on == "unfixable" and unfixable(found):
        raise InputError(
            f"{unfixable(found)} of {len(rows)} lines do not say their text; the ledger names them. With"
            " fail-on=nothing they are kept and marked; nothing is spoken again for it"
        )
    return ledger


if __name__ == "__main__":
    synthesize.main()
