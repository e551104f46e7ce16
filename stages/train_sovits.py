"""Fine-tune SoVITS: semantic tokens to the speaker's voice.

Reads   dataset/2-name2text.txt, 4-cnhubert/, 5-wav32k/, 7-sv_cn/ for v2Pro*   from format
Writes  weights/sovits_e<epoch>_s<step>.safetensors      every --save-every epochs, and the last
        weights/metrics.jsonl, weights/tensorboard/      losses of each step
        weights/parameters.json                          how it was trained
        weights/base/                                    with --export-base: files that other trainings start from
Drops   clips without features or phones, damaged ones, those shorter than 0.66 s or longer than 38 s; 20 s in v3, v4

Of v3 and v4 a LoRA is trained, and the weights files hold it alone.
"""

from typing import Annotated, Literal

from annotated_types import Ge, Le

from voicemill.contract import (
    BaseWeights,
    InputDir,
    Ledger,
    MoreGpuMemory,
    OutputDir,
    StateDir,
    check_stop,
    micro_batch_divisor,
    progress,
    stage,
    stop_requested,
)
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe


@stage(
    family="voice",
    cpu=2,
    memory="12Gi",
    gpu_memory="6Gi",
    more_gpu_memory=MoreGpuMemory("version", ("v3", "v4"), "8Gi"),
    results=("epochs", "loss_mel"),
    kept=("weights",),
)
def train_sovits(
    dataset: InputDir,
    weights: OutputDir,
    state: StateDir,
    *,
    models: BaseWeights,
    version: Literal["auto", "v2", "v2Pro", "v2ProPlus", "v3", "v4"] = "auto",
    recipe: SovitsRecipe,
    export_base: bool = False,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    validation_fraction: Annotated[float, Ge(0), Le(0.5)] = 0.05,
    gradient_checkpointing: bool = False,
    deterministic: bool = False,
) -> Ledger:
    """Fine-tune SoVITS: semantic tokens to the speaker's voice.

    Args:
        dataset: Dataset folder, from format.
        weights: Where the weights files go.
        state: Where the run is kept while it goes on; a killed run resumes from there.
        models: Models folder with the base weights.
        version: Model version, which chooses the base weights; auto is the dataset's.
        recipe: How to train.
        export_base: Also write the last epoch as base files, with the discriminator and what only training needs.
        precision: Arithmetic; auto is bf16 or fp16 on a GPU and fp32 on a CPU.
        validation_fraction: Fraction of the clips that is held out and measured after each epoch: at least one clip, at
            most 8, none of fewer than 10 clips.
        gradient_checkpointing: Take less GPU memory and about a third more time; what is learnt is the same.
        deterministic: Give the same weights again on the same GPU, bit for bit; slower. On a CPU it always is so.
    """
    import json
    from concurrent.futures import ThreadPoolExecutor
    from typing import Any

    from voicemill.core.errors import UsageError
    from voicemill.core.logs import get_logger
    from voicemill.gpt_sovits.dataset import DatasetFolder
    from voicemill.gpt_sovits.features import hubert
    from voicemill.gpt_sovits.flow_matching.fine_tuning import MelFineTuning
    from voicemill.gpt_sovits.formats import checkpoints
    from voicemill.gpt_sovits.sovits import data
    from voicemill.gpt_sovits.sovits.fine_tuning import FineTuning
    from voicemill.gpt_sovits.training import monitor
    from voicemill.gpt_sovits.training.run_state import Precision, choose_device
    from voicemill.gpt_sovits.versions import spec
    from voicemill.models import locate, resolve_local
    from voicemill.text import symbols

    log = get_logger(__name__)
    ledger = Ledger()
    model_version = DatasetFolder(dataset).version(version)
    found = data.find_items(
        dataset,
        lambda phones: symbols.ids(phones, model_version),
        speaker_vectors=spec(model_version).speaker_vectors,
        min_clips_per_epoch=recipe.min_clips_per_epoch,
    )
    for name, reason in found.drops.items():
        ledger.drop(name, reason)
    items = []
    with ThreadPoolExecutor() as readers:
        longest = spec(model_version).longest_clip
        checks = {item.name: readers.submit(data.check, item, longest) for item in found.items}
        for item in ledger.each(found.items, label="reading clips"):
            with ledger.item(item.name):
                checks[item.name].result()
                items.append(item)
                ledger.keep(item.name, seconds=round(item.seconds, 2))
    ledger.require(1, "clips to train SoVITS on")
    if deterministic:
        monitor.be_deterministic()
    items, held_out = monitor.hold_out(items, validation_fraction)

    folder = resolve_local(models)
    base = locate(folder, "sovits-g", model_version)
    how = (items, found.repeats, recipe, state, Precision(precision, choose_device()))
    around: dict[str, Any] = {
        "check_stop": check_stop,
        "stop_requested": stop_requested,
        "micro_batch_divisor": micro_batch_divisor(),
        "held_out": held_out,
        "recompute_layers": gradient_checkpointing,
        "log": log.info,
    }
    if spec(model_version).mel:
        if export_base:
            raise UsageError(
                f"--export-base is for versions that are trained whole; of {model_version} a LoRA is trained"
            )
        run = MelFineTuning(checkpoints.load_sovits(base), *how, **around)
    else:
        judge = checkpoints.load_discriminator(locate(folder, "sovits-d", model_version))
        encoder = hubert.load(locate(folder, "hubert", model_version)) if recipe.content_loss_weight else None
        run = FineTuning(checkpoints.load_sovits(base), judge, *how, encoder=encoder, **around)
    saved = run.run(lambda steps, total: progress(steps, "training", total=total))
    run.export(weights, model_version, base)
    if export_base and isinstance(run, FineTuning):
        run.write_base(weights / "base")
    rows = [json.loads(row) for row in run.state.metrics.read_text(encoding="utf-8").splitlines()]
    last = [row for row in rows if "loss_mel" in row][-1]
    ledger.note(
        epochs=last["epoch"],
        steps=last["step"],
        loss_mel=round(last["loss_mel"], 4),
        held_out=len(held_out),
        peak_memory_gib=round(run.peak_memory, 2),
        files=[file.path.name for file in saved],
    )
    return ledger


if __name__ == "__main__":
    train_sovits.main()
