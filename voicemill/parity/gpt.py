"""The token model: losses, decoding, sampling, optimizer, training, dataset (sections B_s1 and E_audio's s1_*)."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from voicemill.gpt_sovits.gpt import data, losses, sampling, training
from voicemill.gpt_sovits.gpt.choosing import draw, penalise
from voicemill.gpt_sovits.gpt.decoding import generate
from voicemill.gpt_sovits.gpt.lines import MIN_TOKENS, Sampling
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.gpt.optimizer import ScaledAdam
from voicemill.parity.runner import Case, covers

HEAD = 48
BATCH = ("phoneme_ids", "phoneme_ids_len", "semantic_ids", "semantic_ids_len", "bert_feature")


def build(case: Case, eos_row_factor: float = 1.0) -> Gpt:
    """Return the case's model, its dropout off; the EOS scores can be made louder so that decoding ends."""
    weights = {key: torch.tensor(value) for key, value in case.weights()[0].items()}
    model = Gpt.from_checkpoint(case.config, weights)
    model.ar_predict_layer.weight.data[model.config.eos] *= eos_row_factor
    return model.eval()


def batch_of(case: Case) -> data.Batch:
    return data.Batch(*(torch.tensor(case.inputs[name]) for name in BATCH))


def check_head(case: Case, name: str, tensor: torch.Tensor) -> None:
    case.check(name, tensor.detach().flatten()[: len(case.expected(name))])


@covers("B_s1", "forward_old")
def training_loss(case: Case) -> None:
    model, batch = build(case), batch_of(case)
    logits, targets = model(*batch.inputs, shift_phones=False)
    loss = losses.cross_entropy(logits, targets)
    hits, counted = losses.top_hits(logits, targets, model.config.eos)
    loss.backward()
    case.check("loss", loss.reshape(1))
    case.check("logits", logits)
    case.check("targets", targets)
    case.check("top3_acc", float(hits / counted))
    check_gradients(case, model)


def check_gradients(case: Case, model: Gpt) -> None:
    for name in case.output_names:
        if name.startswith("grad."):
            gradient = model.get_parameter(name.removeprefix("grad.")).grad
            assert gradient is not None, name
            check_head(case, name, gradient)


@covers("B_s1", "forward_dpo_*")
def preference_loss(case: Case) -> None:
    model, batch = build(case), batch_of(case)
    rejected = batch._replace(
        tokens_BY=torch.tensor(case.inputs["reject_y"]), tokens_len_B=torch.tensor(case.inputs["reject_y_lens"])
    )
    logits, targets = model(*batch.inputs, shift_phones=False)
    reject_logits, reject_targets = model(*rejected.inputs, shift_phones=False)
    loss_ce = losses.cross_entropy(logits, targets)
    loss_dpo = losses.preference(
        losses.log_probability(logits, targets), losses.log_probability(reject_logits, reject_targets)
    ).mean()
    (loss_ce + loss_dpo).backward()
    hits, counted = losses.top_hits(logits, targets, model.config.eos)
    case.check("loss_ce", loss_ce.reshape(1))
    case.check("loss_dpo", loss_dpo.reshape(1))
    case.check("loss", (loss_ce + loss_dpo).reshape(1))
    case.check("reject_logits", reject_logits)
    case.check("top3_acc", float(hits / counted))
    check_gradients(case, model)


@covers("B_s1", "dpo_loss")
def preference_alone(case: Case) -> None:
    chosen, rejected = (torch.tensor(case.inputs[name]) for name in ("chosen_logps", "rejected_logps"))
    case.check("loss", losses.preference(chosen, rejected).mean().reshape(1))
    case.check("chosen_rewards", losses.DPO_BETA * chosen)
    case.check("rejected_rewards", losses.DPO_BETA * rejected)


@covers("B_s1", "make_reject_y")
def spoiled_sequences(case: Case) -> None:
    row = torch.tensor(case.inputs["y"])
    for example in case.expected("examples"):
        generator = torch.Generator().manual_seed(example["torch_seed"])
        rejected, lengths = losses.spoil(row.repeat(len(example["lens"]), 1), generator)
        assert rejected.tolist() == example["reject_y"], example["torch_seed"]
        assert lengths.tolist() == example["lens"], example["torch_seed"]


def speak_greedily(model: Gpt, phones, bert, prompts, penalty: float, limit: int) -> list[torch.Tensor]:
    return generate(
        model,
        phones,
        bert,
        prompts,
        Sampling(top_k=1, repetition_penalty=penalty),
        max_tokens=[limit] * len(phones),
        seeds=[0] * len(phones),
    )


@torch.inference_mode()
def step_logits(model: Gpt, phones, bert, prompt, tokens) -> torch.Tensor:
    """Scores of every decoding step by one pass over the whole, EOS left out where it could not be chosen."""
    spoken = torch.cat([prompt, tokens])[None]
    lengths = (torch.tensor([len(phones)]), torch.tensor([spoken.shape[1]]))
    logits = model(phones[None], lengths[0], spoken, lengths[1], bert[None])[0][0, len(prompt) :]
    logits[:MIN_TOKENS, model.config.eos] = 0.0
    return logits


@covers("B_s1", "infer_plain_*", "infer_eos_*")
def greedy(case: Case) -> None:
    x = case.inputs
    model = build(case, x["eos_row_factor"])
    phones, bert = torch.tensor(x["phoneme_ids"])[0], torch.tensor(x["bert_feature"])[0]
    prompt = torch.tensor(np.asarray(x["prompt"])).long().flatten()
    # The reference's plain loop notices its limit one token late, and then counts one token too few.
    limit = x["early_stop_num"] + 1
    tokens = speak_greedily(model, [phones], [bert], [prompt], x["repetition_penalty"], limit)[0]
    case.check("y", torch.cat([prompt, tokens])[None])
    steps = len(tokens) - 1 if len(tokens) == limit else len(tokens)
    case.check("idx", steps if len(prompt) else 0)
    logits = step_logits(model, phones, bert, prompt, tokens)
    case.check("first_logits", logits[:2])
    case.check("last_logits", logits[steps])


@covers("B_s1", "infer_batch_*")
def greedy_batch(case: Case) -> None:
    x = case.inputs
    model = build(case, x["eos_row_factor"])
    prompts = list(torch.tensor(x["prompts"]))
    rows = range(len(prompts))
    phones = [torch.tensor(x[f"x{row}"]) for row in rows]
    bert = [torch.tensor(x[f"bert{row}"]) for row in rows]
    limit = x["early_stop_num"]
    batched = speak_greedily(model, phones, bert, prompts, x["repetition_penalty"], limit)
    case.check("idx_list", [len(tokens) for tokens in batched])
    alone_list = []
    for row in rows:
        case.check(f"y{row}", torch.cat([prompts[row], batched[row]]))
        alone = speak_greedily(model, [phones[row]], [bert[row]], [prompts[row]], x["repetition_penalty"], limit + 1)[0]
        case.check(f"naive_y{row}", torch.cat([prompts[row], alone]))
        alone_list.append(alone)
    case.check("naive_idx_list", [min(len(tokens), limit) for tokens in alone_list])
    pairs = zip(batched, alone_list, strict=True)
    case.check("batch_equals_naive", [torch.equal(together, alone) for together, alone in pairs])


@covers("B_s1", "full_infer")
def full_size(case: Case) -> None:
    x = case.inputs
    model = build(case)
    phones, bert = torch.tensor(x["phoneme_ids"])[0], torch.tensor(x["bert_feature"])[0]
    prompt = torch.tensor(x["prompt"])[0]
    limit = x["early_stop_num"] + 1
    tokens = speak_greedily(model, [phones], [bert], [prompt], x["repetition_penalty"], limit)[0]
    case.check("y", torch.cat([prompt, tokens])[None])
    case.check("idx", len(tokens) - 1)
    case.check("first_logits", step_logits(model, phones, bert, prompt, tokens[:1])[0])
    semantic = torch.tensor(x["semantic_ids"])
    with torch.inference_mode():
        logits, targets = model(
            phones[None], torch.tensor([len(phones)]), semantic, torch.tensor([semantic.shape[1]]), bert[None]
        )
    hits, counted = losses.top_hits(logits, targets, model.config.eos)
    case.check("loss", losses.cross_entropy(logits, targets).reshape(1))
    case.check("top3_acc", float(hits / counted))


@covers("B_s1", "filter_*")
def filters(case: Case) -> None:
    logits = torch.tensor(case.inputs["logits"])
    settings = dict(case.inputs["settings"])
    seen = torch.zeros_like(logits, dtype=torch.bool)
    seen.scatter_(1, torch.tensor(case.inputs["previous_tokens"]).long(), True)
    penalised = penalise(sampling.TorchArrays(logits.device), logits, seen, settings.pop("repetition_penalty", 1.0))
    case.check("probs", sampling.probabilities(penalised, **settings))


@covers("B_s1", "draw")
def drawing(case: Case) -> None:
    token = draw(torch.tensor(case.inputs["probs"]), torch.tensor(case.inputs["q"]))
    case.check("index", token[:, None])


@covers("B_s1", "scaled_adam_*")
def scaled_adam(case: Case) -> None:
    x = case.inputs
    names = [name.removesuffix("_0") for name in x if name.endswith("_0") and not name.startswith("grad_")]
    parameters = {name: torch.nn.Parameter(torch.tensor(x[f"{name}_0"])) for name in names}
    optimizer = ScaledAdam(
        parameters.values(), lr=x.get("lr", 0.01), clipping_update_period=x["clipping_update_period"]
    )
    without = {(name, step) for name, step in x["none_grad"]}
    for step in range(x["steps"]):
        for name, parameter in parameters.items():
            gradient = torch.tensor(x[f"grad_{name}_{step}"])
            parameter.grad = None if (name, step) in without else gradient
        optimizer.step()
        for name, parameter in parameters.items():
            if f"{name}_step{step + 1}" in case.output_names:
                case.check(f"{name}_step{step + 1}", parameter)


@covers("B_s1", "lr_schedule")
def schedule(case: Case) -> None:
    for row in case.expected("sequence"):
        assert training.learning_rate(0.002, row["step"]) == row["optimizer_lr"], row


@covers("B_s1", "train_13batches")
def training_steps(case: Case) -> None:
    model, batch = build(case), batch_of(case.other(case.inputs["batch_case"]))
    optimizer = ScaledAdam(model.parameters(), lr=training.learning_rate(0.002, 0))
    steps, seen = 0, []
    for index in range(len(case.expected("losses"))):
        loss = losses.cross_entropy(*model(*batch.inputs, shift_phones=False))
        loss.backward()
        seen.append(float(loss.detach()))
        if training.steps_after(index):
            optimizer.param_groups[0]["lr"] = training.learning_rate(0.002, steps)
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
    case.check("losses", seen)
    for name, parameter in model.named_parameters():
        if name in case.output_names:
            check_head(case, name, parameter)
    case.check("final_sum", sum(float(p.detach().double().abs().sum()) for p in model.parameters()))


@covers("E_audio", "s1_dataset")
def dataset_bounds(case: Case) -> None:
    rows = case.inputs["items_name_ntokens_nphones"]
    # Items whose recorded BERT sum is not zero had a file of ones.
    with_bert = [row for row, total in zip(rows, case.expected("bert_sum_per_item"), strict=False) if total]
    with TemporaryDirectory() as folder:
        dataset = write_dataset(Path(folder), rows)
        for name, _, phones in with_bert:
            torch.save(torch.ones(1024, phones), dataset / "3-bert" / f"{name}.pt")
        items = data.read_items(dataset, "v2", lambda name, reason: None)
        first_two = data.collate(items[:2], 1024)
    assert first_two.bert_BCX is not None
    case.check("kept", [item.name for item in items])
    case.check("n_items", len(data.repeated(items)))
    case.check("sample_sec", {item.name: item.seconds for item in items})
    case.check("bert_sum_per_item", first_two.bert_BCX.sum((1, 2)).tolist())
    shapes = {
        "ids": [0, 1],
        "phoneme_ids": list(first_two.phones_BX.shape),
        "phoneme_ids_len": list(first_two.phones_len_B.shape),
        "semantic_ids": list(first_two.tokens_BY.shape),
        "semantic_ids_len": list(first_two.tokens_len_B.shape),
        "bert_feature": list(first_two.bert_BCX.shape),
    }
    case.check("collate_shapes", shapes)
    short, _long = sorted(range(2), key=lambda row: first_two.tokens_len_B[row])
    case.check("semantic_pad_value", int(first_two.tokens_BY[short, -1]))
    case.check("phoneme_pad_value", int(first_two.phones_BX[short, -1]))


def write_dataset(folder: Path, rows: list) -> Path:
    """A dataset of so many tokens and phones an item; a text in place of a count means symbols that nobody knows."""
    names, tokens = [], ["item_name\tsemantic_audio"]
    for name, token_count, phones in rows:
        tokens.append(f"{name}\t{' '.join(['7'] * token_count)}")
        if phones != 0:
            phone_text = " ".join(["AA1"] * phones) if isinstance(phones, int) else "no_such_phone"
            names.append(f"{name}\t{phone_text}\tNone\ttext")
    (folder / "3-bert").mkdir()
    (folder / "2-name2text.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    (folder / "6-name2semantic.tsv").write_text("\n".join(tokens) + "\n")
    return folder


@covers("E_audio", "s1_bucket_sampler")
def batch_order(case: Case) -> None:
    seconds, size = case.inputs["seconds"], case.inputs["batch_size"]
    case.check("buckets", data.buckets(seconds))
    for epoch, order in case.expected("epochs").items():
        assert data.epoch_order(seconds, size, 0, int(epoch)) == order, epoch
    case.check("len", len(seconds))
