"""Training items of the token model, from a dataset folder: phones, semantic tokens, BERT rows where there are some."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.dataset import DatasetFolder, Text
from voicemill.gpt_sovits.gpt.config import (
    BERT_CHANNELS,
    MAX_PHONES_PER_SECOND,
    MAX_SECONDS,
    MIN_PHONES_PER_SECOND,
    TOKENS_PER_SECOND,
)
from voicemill.gpt_sovits.gpt.recipe import GptRecipe
from voicemill.text import symbols

BUCKET_SECONDS = 2.0
EOS = 1024
PACE = 0.08
"""By how much of its length speech may be ahead or behind an even pace."""
FAR_AWAY = -100.0


@dataclass(frozen=True)
class Item:
    """One clip to train on."""

    name: str
    phones: list[int]
    tokens: list[int]
    bert: Path | None = None
    """File of the BERT rows; None where the language has none."""
    parts: tuple[tuple[int, int], ...] = ()
    """Phones and tokens of each clip, where several are said one after the other."""

    @property
    def seconds(self) -> float:
        return len(self.tokens) / TOKENS_PER_SECOND

    def load_bert(self) -> Tensor:
        """BERT rows `[1024, X]`, zeros for an item without.

        Raises:
            InputError: When the file cannot be read or does not fit the phones.
        """
        if self.bert is None:
            return torch.zeros(BERT_CHANNELS, len(self.phones))
        try:
            bert_CX = torch.load(self.bert, map_location="cpu", weights_only=True)
        except Exception as error:
            raise InputError(f"its BERT features {self.bert.name} cannot be read ({error}); format it again") from error
        if tuple(bert_CX.shape) != (BERT_CHANNELS, len(self.phones)):
            raise InputError(
                f"its BERT features {self.bert.name} are {tuple(bert_CX.shape)} "
                f"where its {len(self.phones)} phones need ({BERT_CHANNELS}, {len(self.phones)}); format it again"
            )
        return bert_CX.float()


class Batch(NamedTuple):
    """Items side by side, padded on the right: phonemes with 0, tokens with EOS, BERT rows with zeros.

    Without BERT rows where no item has any: they would be most of what is brought to a GPU. With a guide where it is
    asked for, see `guide`.
    """

    phones_BX: Tensor
    phones_len_B: Tensor
    tokens_BY: Tensor
    tokens_len_B: Tensor
    bert_BCX: Tensor | None
    guide_BYX: Tensor | None = None

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        """What the model takes."""
        return self.phones_BX, self.phones_len_B, self.tokens_BY, self.tokens_len_B, self.bert_BCX

    def rows(self, start: int, end: int) -> Batch:
        """Some of the items, padded as they are: parts of a batch have the loss of the whole."""
        return self._map(lambda part: part[start:end])

    def pin_memory(self) -> Batch:
        """Return the same where a GPU reads it without waiting."""
        return self._map(Tensor.pin_memory)

    def to(self, device: torch.device) -> Batch:
        return self._map(lambda part: part.to(device, non_blocking=True))

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return Batch(*(None if part is None else change(part) for part in self))  # pyright: ignore[reportArgumentType]


def read_items(dataset: Path, version: str, drop: Callable[[str, str], None]) -> list[Item]:
    """Read the items of a dataset folder, in the order of its token file.

    Args:
        dataset: Folder in GPT-SoVITS's layout.
        version: Model version, for the phone table.
        drop: Told the name and the reason of every item that cannot be used.

    Raises:
        InputError: When one of the two lists is missing or cannot be read.
    """
    folder = DatasetFolder(dataset)
    texts, codes = folder.texts(), folder.codes()
    items = []
    for name, tokens in codes.items():
        if name not in texts:
            drop(name, "it has semantic tokens but no phones: its text could not be pronounced")
            continue
        item = _item(folder, name, texts[name], tokens, version)
        if isinstance(item, str):
            drop(name, item)
        else:
            items.append(item)
    for name in texts:
        if name not in codes:
            drop(name, "it has phones but no semantic tokens: its audio could not be read")
    return items


def _item(folder: DatasetFolder, name: str, text: Text, tokens: list[int], version: str) -> Item | str:
    """Return the item, or why it cannot be used."""
    unknown = sorted({phone for phone in text.phones if not symbols.knows(phone, version)})
    if unknown:
        return f"its phones {' '.join(unknown)} are not in the table of {version}"
    if not all(0 <= token < EOS for token in tokens):
        return f"its semantic tokens are not all in 0 to {EOS - 1}; format it again"
    ids = symbols.ids(text.phones, version)
    reason = out_of_bounds(len(ids), len(tokens))
    if reason:
        return reason
    bert = folder.bert_path(name)
    if bert.is_file():
        item = Item(name, ids, tokens, bert)
        try:
            item.load_bert()
        except InputError as error:
            return str(error)
        return item
    # Mandarin and Cantonese have word2ph, Mandarin alone has BERT rows; Cantonese phones begin with Y.
    if text.word2ph and not any(phone.startswith("Y") for phone in text.phones):
        return f"its BERT features {bert.name} are missing; format it again"
    return Item(name, ids, tokens)


def out_of_bounds(phones: int, tokens: int) -> str | None:
    """Return why a clip of so many phones and tokens is left out, or None; the public weights know nothing outside."""
    if not tokens or not phones:
        return "it has no semantic tokens" if phones else "it has no phones"
    seconds = tokens / TOKENS_PER_SECOND
    if seconds > MAX_SECONDS:
        return f"it is {seconds:.1f} s long, more than {MAX_SECONDS} s"
    if phones > MAX_SECONDS * TOKENS_PER_SECOND / 2.5:
        return f"it has {phones} phones, more than {MAX_SECONDS * TOKENS_PER_SECOND / 2.5:.0f}"
    rate = phones / seconds
    if not MIN_PHONES_PER_SECOND <= rate <= MAX_PHONES_PER_SECOND:
        return (
            f"it has {rate:.1f} phones a second, outside {MIN_PHONES_PER_SECOND} to {MAX_PHONES_PER_SECOND}: "
            "its text does not fit its audio"
        )
    return None


def repeated(items: Sequence[Item], min_clips_per_epoch: int = GptRecipe.min_clips_per_epoch) -> list[Item]:
    """Return the items of an epoch: few are gone through several times."""
    if len(items) >= min_clips_per_epoch:
        return list(items)
    return list(items) * max(2, min_clips_per_epoch // len(items))


def guide(item: Item, phones: int, tokens: int) -> Tensor:
    """Log of how near each phone is to what is said at a token, `[tokens, phones]`: 0 at best, far less elsewhere.

    Speech goes through its phones at an even pace, more or less (Tachibana et al. 2018, "Efficiently trainable
    text-to-speech", section 4.1); in a row of clips, each through its own.

    Args:
        item: What is said. Its phones stand at the right edge.
        phones: Columns.
        tokens: Rows; those after the item's are 0.
    """
    made_YX = torch.full((tokens, phones), FAR_AWAY)
    made_YX[len(item.tokens) :] = 0.0
    row, column = 0, phones - len(item.phones)
    for X, Y in item.parts or ((len(item.phones), len(item.tokens)),):
        # At a token what comes after it is decided.
        said_Y1 = (torch.arange(Y).unsqueeze(1) + 1.5) / Y
        off_YX = said_Y1 - (torch.arange(X) + 0.5) / X
        made_YX[row : row + Y, column : column + X] = -(off_YX**2) / (2 * PACE**2)
        row, column = row + Y, column + X
    return made_YX


def collate(items: Sequence[Item], eos: int, *, guided: bool = False) -> Batch:
    """Pad items to one batch."""

    def pad(rows: list[list[int]], value: int) -> Tensor:
        tensors = [torch.tensor(row) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)

    phones_BX = pad([item.phones for item in items], 0)
    bert_BCX = None
    if any(item.bert for item in items):
        bert_BCX = torch.zeros(len(items), BERT_CHANNELS, phones_BX.shape[1])
        for row, item in zip(bert_BCX, items, strict=True):
            row[:, : len(item.phones)] = item.load_bert()
    return Batch(
        phones_BX,
        torch.tensor([len(item.phones) for item in items]),
        pad([item.tokens for item in items], eos),
        torch.tensor([len(item.tokens) for item in items]),
        bert_BCX,
        _guides(items, phones_BX.shape[1]) if guided else None,
    )


def _guides(items: Sequence[Item], phones: int) -> Tensor:
    tokens = max(len(item.tokens) for item in items)
    return torch.stack([guide(item, phones, tokens) for item in items])


def buckets(seconds: Sequence[float]) -> list[list[int]]:
    """Return indices sorted by length, in groups of about equal length.

    The bound moves on by `BUCKET_SECONDS` once a group, also where a longer gap follows (as the reference does).
    """
    groups: list[list[int]] = [[]]
    bound = BUCKET_SECONDS
    for index in sorted(range(len(seconds)), key=lambda i: seconds[i]):
        if seconds[index] >= bound:
            groups.append([])
            bound += BUCKET_SECONDS
        groups[-1].append(index)
    return groups


def epoch_order(seconds: Sequence[float], batch_size: int, seed: int, epoch: int) -> list[int]:
    """The order of an epoch: shuffled within buckets, cut into batches, batches shuffled; decided by the seed."""
    rng = random.Random(seed + epoch)
    order = []
    for group in buckets(seconds):
        rng.shuffle(group)
        order.extend(group)
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    rng.shuffle(batches)
    return [index for batch in batches for index in batch]


def epoch_batches(items: Sequence[Item], batch_size: int, seed: int, epoch: int) -> Iterator[list[Item]]:
    """Return the batches of an epoch. As in the reference they are cut anew from `epoch_order`, after the shuffle."""
    order = epoch_order([item.seconds for item in items], batch_size, seed, epoch)
    for start in range(0, len(order), batch_size):
        yield [items[index] for index in order[start : start + batch_size]]
