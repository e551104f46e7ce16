"""Write down what is said in each clip.

Reads   clips/*.wav                   from slice
        transcripts_file              own transcripts, `.list` or a table `file|text|lang`; they skip recognition
        recordings/recordings.jsonl   from ingest; lets own transcripts name original recordings
Writes  transcripts/transcripts.list  clip.wav|speaker|LANGUAGE|text
        transcripts/transcripts.json  the same with seconds, confidence (1 for own transcripts), source, flags,
                                      disagreement of a second opinion, phones a second, and doubt (0 to 1)
Drops   clips without words, with the reason in the ledger
"""

import json
from typing import Annotated, Literal

from annotated_types import Ge

from voicemill.contract import FileLocation, FolderLocation, InputDir, Ledger, OutputDir, stage
from voicemill.registry.names import SpeakerName


@stage(family="asr", cpu=2, memory="6Gi", gpu_memory="4Gi", results=("kept", "seconds", "flagged"))
def transcribe(
    clips: InputDir,
    transcripts: OutputDir,
    recordings: InputDir | None = None,
    *,
    models: FolderLocation,
    speaker: SpeakerName,
    transcripts_file: FileLocation = "",
    language: Literal["auto", "zh", "en", "ja", "ko", "yue"] = "auto",
    backend: Literal["auto", "whisper", "sensevoice", "paraformer", "pocketsphinx"] = "auto",
    script: Literal["simplified", "traditional", "as-heard"] = "simplified",
    second_opinion: Literal["auto", "same", "whisper", "sensevoice", "paraformer", "pocketsphinx", "none"] = "auto",
    min_clips: Annotated[int, Ge(1)] = 2,
) -> Ledger:
    """Write down what is said in each clip.

    Args:
        clips: Folder of clips.
        transcripts: Where the transcripts go.
        recordings: Ingest's folder; needed where own transcripts name original recordings.
        models: Models folder; its whisper/ is a Whisper in CTranslate2's form.
        speaker: Name of the speaker, for the list.
        transcripts_file: Own transcripts: a file path|speaker|language|text, or a table with the header file|text|lang.
            Each line names a clip, or a recording that was not cut. Clips without one are recognised.
        language: What is spoken; auto lets Whisper find out for each clip.
        backend: auto takes Whisper where its weights are there, else pocketsphinx for English, else a toy Whisper.
        script: Characters of recognised Mandarin, which Whisper mixes; transcripts of your own stay as they are.
        second_opinion: Who hears each clip again; what is heard differently goes to the front of the proofreading.
            same, the same recogniser: Whisper guesses three times, in about a quarter of the time of the first hearing,
            others hear slower sound, which takes as long again; or another recogniser. auto is same with Whisper,
            SenseVoice and Paraformer, and none with pocketsphinx; own transcripts are compared with what these hear.
        min_clips: With fewer clips with a transcript the stage fails.
    """
    from voicemill import storage
    from voicemill.asr import clips as recognition
    from voicemill.dataset.labels import Label, write
    from voicemill.models import resolve_local

    ledger = Ledger()
    own = recognition.own_labels(storage.fetch(transcripts_file), clips, recordings) if transcripts_file else None
    results = recognition.transcribe_folder(
        ledger, clips, resolve_local(models), language, backend, own, script, second_opinion
    )
    write(
        transcripts / "transcripts.list",
        (Label(result.clip, speaker.replace("|", "_"), result.language, result.text) for result in results),
    )
    rows = [result.row() for result in results]
    text = json.dumps(rows, ensure_ascii=False, indent=1)
    (transcripts / "transcripts.json").write_text(text + "\n", encoding="utf-8")
    ledger.require(min_clips, "clips with a transcript")
    return ledger


if __name__ == "__main__":
    transcribe.main()
