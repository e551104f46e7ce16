"""Fine-tune SoVITS: semantic tokens to the speaker's voice.

Reads   dataset/2-name2text.txt, 4-cnhubert/, 5-wav32k/, 7-sv_cn/ for v2Pro*   from format
Writes  weights/sovits_e<epoch>_s<step>.safetensors      every --save-every epochs, and the last
        weights/metrics.jsonl, weights/tensorboard/      losses of each step
        weights/parameters.json                          how it was trained
        weights/base/                                    with --as-base: files that other trainings start from
Drops   clips without features or phones, damaged ones, those shorter than 0.66 s or longer than 38 s
"""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

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


@stage(family="voice", cpu=2, memory="12Gi", gpu_memory="6Gi", results=("epochs", "loss_mel"))
def train_sovits(
    dataset: InputDir,
    weights: OutputDir,
    state: StateDir,
    *,
    models: FolderLocation,
    version: Literal["auto", "v2", "v2Pro", "v2ProPlus"] = "auto",
    epochs: Annotated[int, Ge(1)] = 8,
    batch_size: Annotated[int, Ge(0)] = 0,
    save_every: Annotated[int, Ge(1)] = 4,
    learning_rate: Annotated[float, Gt(0), Le(1)] = 1e-4,
    text_learning_rate_scale: Annotated[float, Ge(0)] = 0.4,
    learning_rate_decay: Annotated[float, Gt(0), Le(1)] = 0.999875,
    adversary_from: Annotated[int, Ge(0)] = 0,
    mel_scales: Annotated[int, Ge(1), Le(4)] = 1,
    crop: Annotated[float, Ge(0)] = 0.0,
    kl_weight: Annotated[float, Gt(0)] = 1.0,
    content_weight: Annotated[float, Ge(0)] = 0.0,
    copies_judged: bool = False,
    averaged_steps: Annotated[int, Ge(0)] = 0,
    part: Literal["all", "prior", "vocoder"] = "all",
    as_base: bool = False,
    seed: Seed = 1234,
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto",
    validation: Annotated[float, Ge(0), Le(0.5)] = 0.05,
    patience: Annotated[int, Ge(0)] = 0,
    gradient_checkpointing: bool = False,
    deterministic: bool = False,
) -> Ledger:
    """Fine-tune SoVITS: semantic tokens to the speaker's voice.

    Args:
        dataset: Dataset folder, from format.
        weights: Where the weights files go.
        state: Where the run is kept while it goes on; a killed run goes on from there.
        models: Models folder with the base weights.
        version: Model version, which chooses the base weights; auto is the dataset's.
        epochs: How often to go through the clips; few clips are gone through several times an epoch.
        batch_size: Clips a batch; 0 takes 4. What fits into the GPU's memory at once is found out by itself.
        save_every: Epochs between two weights files; the last epoch is always saved.
        learning_rate: Learning rate of AdamW.
        text_learning_rate_scale: Factor on it for the parts that read the text, which need less change.
        learning_rate_decay: Factor on the learning rate after each epoch.
        adversary_from: Steps without an adversary, for a base that knows nothing yet.
        mel_scales: Of how many spectrograms, each with windows half as long, the mel loss is the mean; more than one
            for a base that knows nothing yet.
        crop: Seconds of a clip to train on at a time, from a place drawn for each epoch, at least 0.7; 0 takes all.
        kl_weight: Weight of the KL loss; less lets latent frames hold more than tokens and text can tell.
        content_weight: Weight of how far what the content encoder hears in made speech is from the recorded; 0 does not
            listen.
        copies_judged: Let the adversary judge also what is said from tokens and text, as it will be; where part is all.
        averaged_steps: Keep the average of the weights over so many steps, a few epochs', in place of the last ones;
            0 does not.
        part: Train all; or the prior alone, which reads tokens and text, towards what is there of sound, for a base
            that gets other tokens; or the vocoder alone with its adversary, for a base whose sound is to get better.
        as_base: Also give the last epoch as base files, with the discriminator and what only training needs.
        seed: Seed of the order of clips, of where they are cut, of noise and of dropout.
        precision: Arithmetic; auto is bf16 or fp16 on a GPU and fp32 on a CPU.
        validation: Share of the clips that is not trained on but measured on after each epoch: at least one, at most 8,
            none of fewer than 10 clips.
        patience: Stop after so many epochs without a better validation loss, and keep the best epoch; 0 never stops.
        gradient_checkpointing: Take less GPU memory and about a third more time; what is learnt is the same.
        deterministic: Give the same weights again on the same GPU, bit for bit; slower. On a CPU it always is so.
    """
    import json
    from concurrent.futures import ThreadPoolExecutor

    from voicemill.core.logs import get_logger
    from voicemill.gpt_sovits.dataset import DatasetFolder
    from voicemill.gpt_sovits.features import hubert
    from voicemill.gpt_sovits.features.spectrogram import HOP, SAMPLE_RATE
    from voicemill.gpt_sovits.formats import checkpoints
    from voicemill.gpt_sovits.sovits import data
    from voicemill.gpt_sovits.sovits.fine_tuning import FineTuning
    from voicemill.gpt_sovits.sovits.training import Recipe
    from voicemill.gpt_sovits.training import monitor
    from voicemill.gpt_sovits.training.run_state import Precision, choose_device
    from voicemill.models import at_hand, locate
    from voicemill.text import symbols

    log = get_logger(__name__)
    ledger = Ledger()
    model_version = DatasetFolder(dataset).version(version)
    found = data.find_items(
        dataset, lambda phones: symbols.ids(phones, model_version), speaker_vectors=model_version != "v2"
    )
    for name, reason in found.drops.items():
        ledger.drop(name, reason)
    items = []
    with ThreadPoolExecutor() as readers:
        checks = {item.name: readers.submit(data.check, item) for item in found.items}
        for item in ledger.each(found.items, label="reading clips"):
            with ledger.item(item.name):
                checks[item.name].result()
                items.append(item)
                ledger.keep(item.name, seconds=round(item.seconds, 2))
    ledger.require(1, "clips to train SoVITS on")
    if deterministic:
        monitor.be_deterministic()
    items, held_out = monitor.hold_out(items, validation)

    folder = at_hand(models)
    base = locate(folder, "sovits-g", model_version)
    recipe = Recipe(
        epochs,
        batch_size or Recipe.batch_size,
        save_every,
        learning_rate,
        text_learning_rate_scale,
        seed,
        learning_rate_decay,
        patience=patience,
        adversary_from=adversary_from,
        mel_scales=mel_scales,
        crop=2 * round(crop * SAMPLE_RATE / HOP / 2),
        kl_weight=kl_weight,
        content_weight=content_weight,
        copies_judged=copies_judged,
        averaged_steps=averaged_steps,
        part=part,
    )
    run = FineTuning(
        checkpoints.load_sovits(base),
        checkpoints.load_discriminator(locate(folder, "sovits-d", model_version)),
        items,
        found.repeats,
        recipe,
        state,
        Precision(precision, choose_device()),
        check_stop=check_stop,
        stop_requested=stop_requested,
        micro_batch_divisor=micro_batch_divisor(),
        held_out=held_out,
        recompute_layers=gradient_checkpointing,
        encoder=hubert.load(locate(folder, "hubert", model_version)) if content_weight else None,
        say=log.info,
    )
    saved = run.run(lambda steps, total: progress(steps, "training", total=total))
    run.hand_over(weights, model_version, base)
    if as_base:
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
