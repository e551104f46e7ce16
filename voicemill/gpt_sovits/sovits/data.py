"""SoVITS training data: the reference's dataset folder, its rules for what is used, and batches of similar lengths.

    2-name2text.txt          name, phones, word2ph, text; tab-separated
    4-cnhubert/<name>.pt     HuBERT features [1, 768, T]
    5-wav32k/<name>          32 kHz mono, 16 bit
    7-sv_cn/<name>.pt        speaker vector [1, 20480], for v2Pro and v2ProPlus

Shapes: B batch, C feature channels, F spectrogram bins, T frames, P phonemes, L samples.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.dataset import text_of
from voicemill.gpt_sovits.features.spectrogram import HOP, N_FFT, SAMPLE_RATE, linear_spectrogram
from voicemill.gpt_sovits.sovits.config import SPEAKER_CHANNELS, SSL_CHANNELS
from voicemill.gpt_sovits.sovits.recipe import SovitsRecipe

SHORTEST, LONGEST = 0.6, 54.0
"""Seconds between which a clip is used."""
BOUNDARIES = (32, *range(300, 2000, 100))
"""Frame counts that part the buckets; clips of 32 frames or fewer, or of more than 1900 (38 s), are in none."""


@dataclass(frozen=True)
class Item:
    """A clip with its features on disk."""

    name: str
    phones: tuple[int, ...]
    wav: Path
    ssl: Path
    speaker: Path | None
    frames: int

    @property
    def seconds(self) -> float:
        return self.frames * HOP / SAMPLE_RATE


@dataclass(frozen=True)
class Found:
    """What a dataset folder holds: items in the order of their names, and for every name that is not used the reason.

    Attributes:
        repeats: How often an epoch goes through the items.
    """

    items: list[Item]
    drops: dict[str, str]
    repeats: int


@dataclass
class Example:
    """A clip as the model sees it."""

    ssl_1CT: Tensor
    spec_FT: Tensor
    wav_1L: Tensor
    phones_P: Tensor
    speaker_vector_1S: Tensor | None

    def cropped(self, frames: int, rng: np.random.Generator) -> Example:
        """At most so many frames of it, from an even one on, so that tokens stay what they are; the text stays whole.

        Args:
            frames: An even number.
            rng: Decides where.
        """
        if self.spec_FT.shape[1] <= frames:
            return self
        start = 2 * int(rng.integers((self.spec_FT.shape[1] - frames) // 2 + 1))
        part = slice(start, start + frames)
        wav_1L = self.wav_1L[:, start * HOP : (start + frames) * HOP]
        return Example(self.ssl_1CT[..., part], self.spec_FT[:, part], wav_1L, self.phones_P, self.speaker_vector_1S)

    def to(self, device: torch.device) -> Example:
        values = (getattr(self, f.name) for f in fields(self))
        return Example(*(None if value is None else value.to(device) for value in values))  # pyright: ignore[reportArgumentType]


@dataclass
class Batch:
    """Padded examples, longest first."""

    ssl_BCT: Tensor
    spec_BFT: Tensor
    spec_lengths_B: Tensor
    wav_B1L: Tensor
    phones_BP: Tensor
    phone_lengths_B: Tensor
    speaker_vectors_BS: Tensor | None = None

    def __len__(self) -> int:
        return len(self.spec_lengths_B)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        values = (getattr(self, f.name) for f in fields(self))
        return Batch(*(None if value is None else change(value) for value in values))  # pyright: ignore[reportArgumentType]

    def pin_memory(self) -> Batch:
        """Return the same where a GPU reads it without waiting."""
        return self._map(lambda x: x if x.is_cuda else x.pin_memory())

    def to(self, device: torch.device) -> Batch:
        return self._map(lambda x: x.to(device, non_blocking=True))

    def split(self, size: int) -> list[Batch]:
        """Consecutive parts of at most `size` items."""
        return [self._map(lambda x, i=i: x[i : i + size]) for i in range(0, len(self), size)]

    def for_generator(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        return (
            self.ssl_BCT,
            self.spec_BFT,
            self.spec_lengths_B,
            self.phones_BP,
            self.phone_lengths_B,
            self.speaker_vectors_BS,
        )


def find_items(
    dataset: Path,
    phone_ids: Callable[[list[str]], list[int]],
    *,
    speaker_vectors: bool = False,
    min_clips_per_epoch: int = SovitsRecipe.min_clips_per_epoch,
) -> Found:
    """The usable items of a dataset folder by the reference's rules (`TextAudioSpeakerLoader`), drops with reasons.

    Args:
        phone_ids: Numbers of phones; raises LookupError or ValueError at one outside the symbol table.
        speaker_vectors: Whether items need one (v2Pro, v2ProPlus).
        min_clips_per_epoch: As of the recipe.

    Raises:
        InputError: If the folder is not a dataset.
    """
    text = dataset / "2-name2text.txt"
    if not text.is_file():
        raise InputError(f"{text} is missing: {dataset} is not a dataset that format has written")
    phones, drops = _read_phones(text)
    folders = {"features": "4-cnhubert", "audio": "5-wav32k"} | (
        {"speaker vector": "7-sv_cn"} if speaker_vectors else {}
    )
    items, candidates = [], 0
    for name in sorted(phones):
        paths = {
            what: dataset / folder / (name if what == "audio" else f"{name}.pt") for what, folder in folders.items()
        }
        missing = [f"{path.parent.name}/{path.name}" for path in paths.values() if not path.is_file()]
        if missing:
            drops[name] = f"{missing[0]} is missing"
            continue
        candidates += 1
        # The reference judges by the size of the file, its 44 bytes of header included.
        size = paths["audio"].stat().st_size
        seconds = size / 2 / SAMPLE_RATE
        if not SHORTEST < seconds < LONGEST:
            drops[name] = f"lasts {seconds:.2f} s; clips between {SHORTEST} and {LONGEST:.0f} s are used"
            continue
        try:
            ids = tuple(phone_ids(phones[name].split(" ")))
        except (LookupError, ValueError) as error:
            drops[name] = f"has a phone outside the symbol table: {error}"
            continue
        items.append(Item(name, ids, paths["audio"], paths["features"], paths.get("speaker vector"), size // (2 * HOP)))
    for wav in sorted((dataset / "5-wav32k").glob("*")):
        if wav.name not in phones and wav.name not in drops:
            drops[wav.name] = "has no line in 2-name2text.txt"
    repeats = max(2, min_clips_per_epoch // candidates) if 0 < candidates < min_clips_per_epoch else 1
    return Found(items, drops, repeats)


def _read_phones(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    phones, drops = {}, {}
    for line in text_of(path).strip("\n").split("\n"):
        columns = line.split("\t")
        if len(columns) == 4:
            phones[columns[0]] = columns[1]
        elif line:
            drops[columns[0]] = f"its line in {path.name} has {len(columns)} columns instead of 4"
    return phones, drops


def load(item: Item) -> Example:
    """Read a clip and its features.

    Raises:
        InputError: If one of them is damaged or they do not belong together.
    """
    import soundfile

    try:
        samples, rate = soundfile.read(item.wav, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise InputError(f"{item.wav} cannot be read as audio: {error}") from error
    if rate != SAMPLE_RATE or samples.shape[1] != 1:
        raise InputError(f"{item.wav} is {rate} Hz with {samples.shape[1]} channels instead of 32000 Hz mono")
    wav_1L = torch.from_numpy(samples.T.copy())
    spec_FT = linear_spectrogram(wav_1L).squeeze(0)
    ssl_1CT = _read_tensor(item.ssl, (1, SSL_CHANNELS, None)).float()
    lacking = spec_FT.shape[1] - ssl_1CT.shape[2]
    if abs(lacking) > 2:
        raise InputError(
            f"{item.ssl} has {ssl_1CT.shape[2]} frames where the audio has {spec_FT.shape[1]}; format it again"
        )
    ssl_1CT = F.pad(ssl_1CT, (0, max(0, lacking)), mode="replicate")[..., : spec_FT.shape[1]]
    vector = _read_tensor(item.speaker, (1, SPEAKER_CHANNELS)).float() if item.speaker else None
    return Example(ssl_1CT, spec_FT, wav_1L, torch.tensor(item.phones), vector)


class Clips:
    """Clips to train on, read when they are wanted, or once and for all into a GPU's memory where there is room.

    A GPU is otherwise kept waiting: a processor takes longer to read a second of speech than a GPU to learn from it.

    Args:
        items: What there is.
        device: Where it is trained on.
        share: Of the GPU's free memory that they may take.
    """

    BYTES_A_FRAME = 4 * (SSL_CHANNELS + N_FFT // 2 + 1 + HOP)

    def __init__(self, items: Sequence[Item], device: torch.device, share: float = 0.3):
        self.items, self._near = items, {}
        different = {item.name: item for item in items}
        needed = sum(item.frames for item in different.values()) * self.BYTES_A_FRAME
        if device.type == "cuda" and needed < share * torch.cuda.mem_get_info(device)[0]:
            with ThreadPoolExecutor() as readers:
                examples = readers.map(load, different.values())
                self._near = {name: one.to(device) for name, one in zip(different, examples, strict=True)}

    def __getitem__(self, index: int) -> Example:
        item = self.items[index]
        return self._near.get(item.name) or load(item)


def check(item: Item, longest: int = BOUNDARIES[-1]) -> None:
    """Whether a clip can be trained on.

    Args:
        item: The clip.
        longest: Most frames that the version trains on.

    Raises:
        InputError: With the reason, if not.
    """
    if not BOUNDARIES[0] < item.frames <= longest:
        low, high = ((n * HOP / SAMPLE_RATE) for n in (BOUNDARIES[0] + 1, longest))
        raise InputError(f"lasts {item.seconds:.2f} s; SoVITS trains on clips between {low} and {high:.0f} s")
    load(item)


def _read_tensor(path: Path, shape: tuple[int | None, ...]) -> Tensor:
    try:
        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in as many ways as there are damages
        raise InputError(f"{path} cannot be read; format it again ({str(error).splitlines()[0]})") from error
    if not isinstance(tensor, Tensor) or len(tensor.shape) != len(shape):
        raise InputError(f"{path} does not hold a tensor of {len(shape)} dimensions; format it again")
    if any(want not in (None, got) for want, got in zip(shape, tensor.shape, strict=True)):
        raise InputError(f"{path} holds {tuple(tensor.shape)} instead of {shape}; format it again")
    if not tensor.isfinite().all():
        raise InputError(f"{path} holds values that are not numbers; format it again")
    return tensor


def padded_frames(frames: int) -> int:
    """Return what clips of so many frames are padded to: the next even number, always at least one frame more."""
    return 2 * (frames // 2 + 1)


def collate(examples: Sequence[Example]) -> Batch:
    """Pad examples with zeros to a batch, longest first."""
    ordered = sorted(examples, key=lambda e: e.spec_FT.shape[1], reverse=True)

    def padded(tensors: list[Tensor], length: int) -> Tensor:
        return torch.stack([F.pad(t, (0, length - t.shape[-1])) for t in tensors])

    spec_lengths = [e.spec_FT.shape[1] for e in ordered]
    phone_lengths = [len(e.phones_P) for e in ordered]
    vectors = [e.speaker_vector_1S for e in ordered if e.speaker_vector_1S is not None]
    return Batch(
        padded([e.ssl_1CT[0] for e in ordered], padded_frames(spec_lengths[0])),
        padded([e.spec_FT for e in ordered], padded_frames(spec_lengths[0])),
        torch.tensor(spec_lengths),
        padded([e.wav_1L for e in ordered], max(e.wav_1L.shape[1] for e in ordered)),
        padded([e.phones_P for e in ordered], max(phone_lengths)),
        torch.tensor(phone_lengths),
        torch.cat(vectors) if vectors else None,
    )


def make_buckets(lengths: Sequence[int], boundaries: Sequence[int] = BOUNDARIES) -> tuple[list[list[int]], list[int]]:
    """Return the indices of items whose lengths lie between neighbouring boundaries (lower excluded, upper included).

    Returns:
        The buckets that are not empty, and the boundaries without the upper ones of empty buckets.
    """
    buckets: list[list[int]] = [[] for _ in range(len(boundaries) - 1)]
    for index, length in enumerate(lengths):
        bucket = bisect.bisect_left(boundaries, length) - 1
        if 0 <= bucket < len(buckets):
            buckets[bucket].append(index)
    left = [boundaries[0], *(upper for upper, bucket in zip(boundaries[1:], buckets, strict=True) if bucket)]
    return [bucket for bucket in buckets if bucket], left


def batches(
    buckets: Sequence[Sequence[int]], batch_size: int, seed: int, rank: int = 0, replicas: int = 1
) -> list[list[int]]:
    """Return one epoch's batches in random order, each from one bucket (`DistributedBucketSampler`).

    A bucket is filled up to whole batches by repeating its items.
    """
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(bucket), generator=generator).tolist() for bucket in buckets]
    made = []
    for bucket, order in zip(buckets, orders, strict=True):
        total = -(-len(bucket) // (batch_size * replicas)) * batch_size * replicas
        filled = [bucket[order[i % len(order)]] for i in range(total)][rank::replicas]
        made += [filled[i : i + batch_size] for i in range(0, len(filled), batch_size)]
    return [made[i] for i in torch.randperm(len(made), generator=generator).tolist()]
