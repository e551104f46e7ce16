"""Fine-tune the token model: what is said, to semantic tokens.

Reads   dataset/2-name2text.txt, 3-bert/, 6-name2semantic.tsv    from format
Writes  weights/gpt_e<epoch>_s<step>.safetensors                 every --save-every epochs, and the last
        weights/metrics.jsonl, weights/tensorboard/              loss and accuracy of each epoch
        weights/parameters.json                                  how it was trained
Drops   clips without phones, tokens or BERT features, and those whose text cannot fit their audio
"""

from typing import Annotated, Literal

from annotated_types import Ge, Le

from voicemill.contract import (
    BaseWeights,
    InputDir,
    Ledger,
    OutputDir,
    StateDir,
    check_stop,
    micro_batch_divisor,
    progress,
    stage,
    stop_requested,
)
from voicemill.gpt_sovits.gpt.recipe import GptRecipe


@stage(family="voice", cpu=2, memory="12Gi", gpu_memory="6Gi", results=("epochs", "loss"), kept=("weights",))
def train_gpt(
    dataset: InputDir,
    weights: OutputDir,
    state: StateDir,
    *,
    models: BaseWeights,
    version: Literal["auto", "v2", "v2Pro", "v2ProPlus", "v3", "v4"] = "auto",
    recipe: GptRecipe,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    validation_fraction: Annotated[float, Ge(0), Le(0.5)] = 0.05,
    gradient_checkpointing: bool = False,
    deterministic: bool = False,
) -> Ledger:
    """Fine-tune the token model: what is said, to semantic tokens.

    Args:
        dataset: Dataset folder, from format.
        weights: Where the weights files go.
        state: Where the run is kept while it goes on; a killed run resumes from there.
        models: Models folder with the base weights.
        version: Model version, which chooses the base weights; auto is the dataset's.
        recipe: How to train.
        precision: Arithmetic; auto is bf16 or fp16 on a GPU and fp32 on a CPU.
        validation_fraction: Fraction of the clips that is held out and measured after each epoch: at least one clip, at
            most 8, none of fewer than 10 clips.
        gradient_checkpointing: Take less GPU memory and about a third more time; what is learnt is the same.
        deterministic: Give the same weights again on the same GPU, bit for bit; slower. On a CPU it always is so.
    """
    import json

    from voicemill.core.logs import get_logger
    from voicemill.gpt_sovits.dataset import DatasetFolder
    from voicemill.gpt_sovits.formats.checkpoints import load_gpt
    from voicemill.gpt_sovits.gpt.data import read_items
    from voicemill.gpt_sovits.gpt.fine_tuning import FineTuning
    from voicemill.gpt_sovits.gpt.joining import join
    from voicemill.gpt_sovits.training import monitor
    from voicemill.gpt_sovits.training.run_state import Precision, choose_device
    from voicemill.models import locate, resolve_local

    ledger = Ledger()
    model_version = DatasetFolder(dataset).version(version)
    items = read_items(dataset, model_version, ledger.drop)
    for item in items:
        ledger.keep(item.name, seconds=item.seconds)
    ledger.require(1, "clips to train the token model on")

    base = locate(resolve_local(models), "gpt", model_version)
    if deterministic:
        monitor.be_deterministic()
    items, held_out = monitor.hold_out(items, validation_fraction)
    tuning = FineTuning(
        load_gpt(base),
        join(items, recipe.max_concat_clips, recipe.seed),
        recipe,
        state,
        Precision(precision, choose_device()),
        check_stop=check_stop,
        stop_requested=stop_requested,
        micro_batch_divisor=micro_batch_divisor(),
        held_out=held_out,
        recompute_layers=gradient_checkpointing,
        log=get_logger(__name__).info,
    )
    saved = tuning.run(lambda batches, total: progress(batches, "training", total=total))
    tuning.export(weights, model_version, base)
    last = json.loads(tuning.state.metrics.read_text(encoding="utf-8").splitlines()[-1])
    ledger.note(
        epochs=last["epoch"],
        steps=last["step"],
        loss=round(last["loss"], 4),
        held_out=len(held_out),
        peak_memory_gib=round(tuning.peak_memory, 2),
        files=[file.path.name for file in saved],
    )
    return ledger


if __name__ == "__main__":
    train_gpt.main()
