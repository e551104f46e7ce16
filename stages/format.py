"""Turn clips and their transcripts into a training dataset in GPT-SoVITS's layout.

Reads   clips/*.wav                     any rate; 32 kHz mono from slice
        transcripts/transcripts.list    clip.wav|speaker|language|text
Writes  dataset/                        2-name2text.txt 3-bert/ 4-cnhubert/ 5-wav32k/ 6-name2semantic.tsv,
                                        7-sv_cn/ for v2Pro and v2ProPlus, and version.txt, which the trainings obey;
                                        reading.json and lexicon.csv, by which whoever speaks reads
Drops   clips without a transcript or without phones, unreadable, silent, too loud, too short or too long
"""

from typing import Annotated, Literal

from annotated_types import Ge

from voicemill.contract import FileLocation, FolderLocation, InputDir, Ledger, OutputDir, stage


@stage(family="voice", cpu=2, memory="6Gi", gpu_memory="4Gi", results=("kept", "seconds"))
def format_dataset(
    clips: InputDir,
    transcripts: InputDir,
    dataset: OutputDir,
    *,
    models: FolderLocation,
    version: Literal["auto", "v2", "v2Pro", "v2ProPlus", "v3", "v4"] = "auto",
    lexicon: FileLocation = "",
    polyphone_model: Literal["auto", "g2pw", "pypinyin"] = "auto",
    min_clips: Annotated[int, Ge(1)] = 2,
    min_seconds: Annotated[float, Ge(0)] = 5.0,
) -> Ledger:
    """Turn clips and their transcripts into a training dataset in GPT-SoVITS's layout.

    Args:
        clips: Folder of clips, from slice.
        transcripts: Folder with transcripts.list, from transcribe or from proofreading.
        dataset: Where the dataset goes.
        models: Models folder with HuBERT, the Chinese BERT, the pretrained SoVITS and the speaker encoder.
        version: GPT-SoVITS version, decides the SoVITS whose codebook makes the tokens; auto takes v2ProPlus, v2Pro or
            v2, the first whose base weights are all in the models folder. v3 and v4 are taken only when asked for.
        lexicon: Your own pronunciations, a lexicon.csv with the columns word, language and reading.
        polyphone_model: What tells Mandarin polyphones apart: g2pW, the phrase dictionaries of pypinyin, or g2pW if it
            is in the models folder (auto).
        min_clips: With fewer clips left the stage fails.
        min_seconds: With less speech left the stage fails.
    """
    from voicemill.contract import check_stop
    from voicemill.core.errors import InputError
    from voicemill.dataset import labels
    from voicemill.dataset.clip_features import Preparation
    from voicemill.models.layout import best_version, resolve_local
    from voicemill.voice import pronunciation

    ledger = Ledger()
    paths = {path.name: path for path in sorted(clips.glob("*.wav"))}
    spoken = labels.by_clip(labels.read(transcripts / "transcripts.list"), paths)
    folder = resolve_local(models)
    chosen = best_version(folder) if version == "auto" else version
    pronounced = pronunciation.load(folder, lexicon=lexicon, polyphones=polyphone_model)
    preparation = Preparation(dataset, folder, chosen, pronounced.reading)
    pronounced.record(dataset)
    for name in ledger.each(sorted(paths.keys() | spoken.keys()), label="formatting"):
        check_stop()
        with ledger.item(name):
            if name not in spoken:
                raise InputError("it has no transcript")
            if name not in paths:
                raise InputError("it has a transcript, but the clip does not exist")
            ledger.keep(name, **preparation.add(paths[name], spoken[name]))
    preparation.finish()
    ledger.note(version=chosen, languages=preparation.languages, **pronounced.notes())
    ledger.require(min_clips, "clips")
    if preparation.seconds < min_seconds:
        raise InputError(f"{preparation.seconds:.1f} s of speech left, at least {min_seconds:g} s needed")
    return ledger


if __name__ == "__main__":
    format_dataset.main()
