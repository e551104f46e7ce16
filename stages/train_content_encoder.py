"""Train a small content encoder: speech to what is said, 50 vectors a second.

Reads   clips/*.wav, transcripts/segments.json      from make-corpus
Writes  encoder/hubert/                             transformers' folder of a HuBERT
        encoder/metrics.jsonl, encoder/tensorboard/ loss and share of rightly named frames
        encoder/parameters.json                     how it was trained
        With --start just the folder of the HuBERT, as it is there
Drops   clips whose phones are not known
"""

from typing import Annotated, Literal

from annotated_types import Ge, Le

from voicemill.contract import (
    FolderLocation,
    InputDir,
    Ledger,
    OutputDir,
    StateDir,
    check_stop,
    progress,
    stage,
    stop_requested,
)
from voicemill.pretraining.recipe import EncoderRecipe


@stage(family="voice", cpu=2, memory="8Gi", gpu_memory="4Gi", results=("loss", "accuracy"))
def train_content_encoder(
    clips: InputDir,
    transcripts: InputDir,
    encoder: OutputDir,
    state: StateDir,
    *,
    start: FolderLocation = "",
    recipe: EncoderRecipe,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    validation_fraction: Annotated[float, Ge(0), Le(0.5)] = 0.01,
) -> Ledger:
    """Train a small content encoder: speech to what is said, 50 vectors a second.

    Args:
        clips: Folder of clips, from make-corpus.
        transcripts: Folder with segments.json, from make-corpus.
        encoder: Where the encoder goes.
        state: Where the run is kept while it goes on; a killed run resumes from there.
        start: Models folder to resume from, whose encoder is taken as it is, because what SoVITS and the token model
            know is said in its terms.
        recipe: How to train.
        precision: Arithmetic; auto is bf16 or fp16 on a GPU and fp32 on a CPU.
        validation_fraction: Fraction of the clips that is held out and measured after each epoch, at most 8 clips.
    """
    import json

    if start:
        return _take(start, encoder)

    from voicemill.core import untrusted
    from voicemill.core.logs import get_logger
    from voicemill.gpt_sovits.training import monitor
    from voicemill.gpt_sovits.training.run_state import Precision, choose_device
    from voicemill.pretraining import content_encoder
    from voicemill.pretraining.flite import Segment

    ledger = Ledger()
    path, hint = transcripts / "segments.json", "make the corpus again"
    told = untrusted.read_json(path, dict, hint=hint)
    segments = untrusted.shaped(dict[str, list[tuple[str, float]]], told, path, hint=hint)
    items = []
    for path in ledger.each(sorted(clips.glob("*.wav")), label="reading clips"):
        if path.name not in segments:
            ledger.drop(path.name, "segments.json does not say which phone is when")
            continue
        phones = tuple(Segment(phone, end) for phone, end in segments[path.name])
        items.append(content_encoder.Item(path.name, path, phones))
        ledger.keep(path.name, seconds=phones[-1].end)
    ledger.require(1, "clips to train the content encoder on")
    items, held_out = monitor.hold_out(items, validation_fraction)
    training = content_encoder.Training(
        items,
        held_out,
        content_encoder.configuration(recipe.layers),
        recipe,
        state,
        Precision(precision, choose_device()),
        check_stop=check_stop,
        stop_requested=stop_requested,
        log=get_logger(__name__).info,
    )
    training.run(lambda steps, total: progress(steps, "training", total=total))
    training.export_encoder(encoder)
    rows = [json.loads(row) for row in training.state.metrics.read_text(encoding="utf-8").splitlines()]
    last = [row for row in rows if "loss" in row][-1]
    ledger.note(loss=round(last["loss"], 4), accuracy=round(last["accuracy"], 4), steps=last["step"])
    return ledger


def _take(start: str, encoder: OutputDir) -> Ledger:
    """The encoder of a models folder."""
    import shutil

    from voicemill.models import locate, resolve_local

    ledger = Ledger()
    shutil.copytree(locate(resolve_local(start), "hubert"), encoder / "hubert")
    for path in sorted((encoder / "hubert").iterdir()):
        ledger.keep(path.name, bytes=path.stat().st_size)
    ledger.note(loss=None, accuracy=None)
    return ledger


if __name__ == "__main__":
    train_content_encoder.main()
