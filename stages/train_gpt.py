"""Fine-tune the token model: what is said, to semantic tokens.

Reads   dataset/2-name2text.txt, 3-bert/, 6-name2semantic.tsv    from format
Writes  weights/gpt_e<epoch>_s<step>.safetensors                 every --save-every epochs, and the last
        weights/metrics.jsonl, weights/tensorboard/              loss and accuracy of each epoch
        weights/parameters.json                                  how it was trained
Drops   clips without phones, tokens or BERT features, and those whose text cannot fit their audio
"""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from voicemill.contract import (
    FolderLocation,
    InputDir,
    Ledger,
    OutputDir,
    Seed,
    StateDir,
    check_stop,
    micro_batch_divisor,
    progress,
    stage,
    stop_requested,
)


@stage(family="voice", cpu=2, memory="12Gi", gpu_memory="6Gi", results=("epochs", "loss"))
def train_gpt(
    dataset: InputDir,
    weights: OutputDir,
    state: StateDir,
    *,
    models: FolderLocation,
    version: Literal["auto", "v2", "v2Pro", "v2ProPlus"] = "auto",
    epochs: Annotated[int, Ge(1)] = 15,
    batch_size: Annotated[int, Ge(0)] = 0,
    save_every: Annotated[int, Ge(1)] = 5,
    learning_rate: Annotated[float, Gt(0), Le(1)] = 0.002,
    learning_rate_decay: Annotated[float, Gt(0), Le(1)] = 1.0,
    seed: Seed = 1234,
    dpo: bool = False,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
    joined: Annotated[int, Ge(1)] = 1,
    guide: Annotated[float, Ge(0)] = 0.0,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    validation: Annotated[float, Ge(0), Le(0.5)] = 0.05,
    patience: Annotated[int, Ge(0)] = 0,
    gradient_checkpointing: bool = False,
    deterministic: bool = False,
) -> Ledger:
    """Fine-tune the token model: what is said, to semantic tokens.

    Args:
        dataset: Dataset folder, from format.
        weights: Where the weights files go.
        state: Where the run is kept while it goes on; a killed run goes on from there.
        models: Models folder with the base weights.
        version: Model version, which chooses the base weights; auto is the dataset's.
        epochs: How often to go through the clips; few clips are gone through several times an epoch.
        batch_size: Clips a batch; 0 takes 8. What fits into the GPU's memory at once is found out by itself.
        save_every: Epochs between two weights files; the last epoch is always saved.
        learning_rate: Learning rate of ScaledAdam; the first step takes five times as much, as the reference does.
        learning_rate_decay: Factor on the learning rate after each epoch.
        seed: Seed of the order of clips and of dropout.
        dpo: Teach it also to prefer the clips to spoiled copies of them; against repeated and swallowed words.
        dropout: Share of what layers give that is dropped; less learns faster, and sooner knows the clips by heart.
        joined: Most clips in a row to learn from at once, all of one speaker, whom names tell up to their last
            underscore; for a base that knows nothing yet.
        guide: Weight of a loss that keeps one head of the middle layers on the phones that are about to be said; for a
            base that knows nothing yet.
        precision: Arithmetic; auto is bf16 or fp16 on a GPU and fp32 on a CPU.
        validation: Share of the clips that is not trained on but measured on after each epoch: at least one, at most 8,
            none of fewer than 10 clips.
        patience: Stop after so many epochs without a better validation loss, and keep the best epoch; 0 never stops.
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
    from voicemill.gpt_sovits.gpt.training import BATCH_SIZE, Recipe
    from voicemill.gpt_sovits.training import monitor
    from voicemill.gpt_sovits.training.run_state import Precision, choose_device
    from voicemill.models import at_hand, locate

    ledger = Ledger()
    model_version = DatasetFolder(dataset).version(version)
    items = read_items(dataset, model_version, ledger.drop)
    for item in items:
        ledger.keep(item.name, seconds=item.seconds)
    ledger.require(1, "clips to train the token model on")

    base = locate(at_hand(models), "gpt", model_version)
    recipe = Recipe(
        epochs,
        batch_size or BATCH_SIZE,
        save_every,
        learning_rate,
        seed,
        dpo,
        patience,
        dropout,
        learning_rate_decay,
        guide,
    )
    if deterministic:
        monitor.be_deterministic()
    items, held_out = monitor.hold_out(items, validation)
    tuning = FineTuning(
        load_gpt(base),
        join(items, joined, seed),
        recipe,
        state,
        Precision(precision, choose_device()),
        check_stop=check_stop,
        stop_requested=stop_requested,
        micro_batch_divisor=micro_batch_divisor(),
        held_out=held_out,
        recompute_layers=gradient_checkpointing,
        say=get_logger(__name__).info,
    )
    saved = tuning.run(lambda batches, total: progress(batches, "training", total=total))
    tuning.hand_over(weights, model_version, base)
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
