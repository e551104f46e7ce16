"""The dataset folder of GPT-SoVITS, written and read.

    2-name2text.txt       clip.wav TAB phones TAB phones of each character or None TAB normalised text
    3-bert/clip.wav.pt    float32 [1024, phones], where there is Chinese in the text
    4-cnhubert/clip.wav.pt  float32 [1, 768, T]
    5-wav32k/clip.wav     PCM_16, 32 kHz, mono
    6-name2semantic.tsv   header, then clip.wav TAB codes
    7-sv_cn/clip.wav.pt   float32 [1, 20480], for v2Pro and v2ProPlus
    version.txt           the version that it was made for; GPT-SoVITS does not write it

Training takes a clip that is in all of them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.core.files import replacing
from voicemill.core.safe_paths import what_is_wrong
from voicemill.gpt_sovits.versions import spec

RATE = 32_000
MAX_PEAK = 2.2
SEMANTIC_HEADER = "item_name\tsemantic_audio"
# Audio is mixed half and half from itself and from itself scaled to this peak.
_PEAK = 0.95
_MIX = 0.5
# The level that HuBERT hears: public SoVITS weights were trained with it, whatever its reason was.
_HUBERT_FULL_SCALE = 1145.14
_INT16_FULL_SCALE = 32768
_COUNTS = re.compile(r"\[(?:[0-9]{1,4}(?:, ?[0-9]{1,4})*)?\]")


@dataclass(frozen=True)
class Text:
    """A clip's row in 2-name2text.txt.

    Attributes:
        phones: P phone names.
        word2ph: Phones of each character of `norm_text`; None where the language has no such relation.
        norm_text: The text as it was turned into phones.
    """

    phones: Sequence[str]
    word2ph: Sequence[int] | None
    norm_text: str


def level(wav32k: np.ndarray, *, wrap: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Bring a clip half-way to full level, once for the dataset and once for HuBERT.

    Args:
        wav32k: float32 `[n]` at 32 kHz.
        wrap: Let samples beyond 16 bits wrap around, as the reference does, in the place of clipping them.

    Returns:
        int16 `[n]` for 5-wav32k, and float32 `[n]`, still at 32 kHz, for HuBERT.

    Raises:
        InputError: The clip is silent, is not a number somewhere, or has a peak above 2.2, as in the reference.
    """
    peak = np.abs(wav32k).max() if wav32k.size else np.float32(0)
    if not np.isfinite(peak):
        raise InputError("NaN or infinite samples")
    if peak == 0:
        raise InputError("only silence")
    if peak > MAX_PEAK:
        raise InputError(f"peak of {peak:.2f}, {20 * np.log10(peak):.1f} dB over full scale; normalize it first")
    even = wav32k / peak
    full = even * (_PEAK * _MIX * _INT16_FULL_SCALE) + ((1 - _MIX) * _INT16_FULL_SCALE) * wav32k
    heard = even * (_PEAK * _MIX * _HUBERT_FULL_SCALE) + ((1 - _MIX) * _HUBERT_FULL_SCALE) * wav32k
    if wrap:
        pcm = full.astype(np.int64).astype(np.int16)
    else:
        pcm = np.clip(full, -_INT16_FULL_SCALE, _INT16_FULL_SCALE - 1).astype(np.int16)
    return pcm, heard


class DatasetFolder:
    """A dataset folder; nothing is read before it is asked for.

    Args:
        root: The folder, which exists.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.texts_file = root / "2-name2text.txt"
        self.bert_folder = root / "3-bert"
        self.hubert_folder = root / "4-cnhubert"
        self.wav_folder = root / "5-wav32k"
        self.codes_file = root / "6-name2semantic.tsv"
        self.speaker_folder = root / "7-sv_cn"
        self.version_file = root / "version.txt"

    def create(self, version: str = "v2") -> None:
        """Make the folders inside the root for a version's dataset."""
        speakers = [self.speaker_folder] if spec(version).speaker_vectors else []
        for folder in (self.bert_folder, self.hubert_folder, self.wav_folder, *speakers):
            folder.mkdir(exist_ok=True)
        _write(self.version_file, f"{version}\n".encode())

    def version(self, asked: str = "auto") -> str:
        """Return the version that the dataset is for.

        Args:
            asked: What the user wants; `auto` takes what the dataset says. One that GPT-SoVITS made says nothing;
                without speaker vectors it can only be v2's.

        Raises:
            InputError: The dataset is for another version (its tokens are of another codebook), or does not tell.
        """
        if not self.version_file.is_file():
            if asked == "auto" and self.speaker_folder.is_dir():
                raise InputError(
                    f"{self.root} was made for v2Pro or v2ProPlus and does not record which (it has no "
                    f"{self.version_file.name}); name it with --version"
                )
            return "v2" if asked == "auto" else asked
        made_for = text_of(self.version_file).strip()
        if asked not in ("auto", made_for):
            raise InputError(f"{self.root} was made for {made_for}, not for {asked}; format the clips for {asked}")
        return made_for

    def bert_path(self, clip: str) -> Path:
        return self.bert_folder / f"{clip}.pt"

    def hubert_path(self, clip: str) -> Path:
        return self.hubert_folder / f"{clip}.pt"

    def wav_path(self, clip: str) -> Path:
        return self.wav_folder / clip

    def add_audio(self, clip: str, pcm: np.ndarray, ssl_1CT: torch.Tensor) -> None:
        """Write a clip's audio (int16 `[n]`) and its HuBERT features."""
        from voicemill.audio.reading import write_wav

        write_wav(self.wav_path(clip), pcm, RATE, "PCM_16")
        _save(ssl_1CT, self.hubert_path(clip))

    def add_bert(self, clip: str, bert_CP: torch.Tensor) -> None:
        """Write a clip's BERT features."""
        _save(bert_CP, self.bert_path(clip))

    def add_speaker_vector(self, clip: str, vector_1S: torch.Tensor) -> None:
        """Write a clip's speaker vector."""
        _save(vector_1S, self.speaker_folder / f"{clip}.pt")

    def write_texts(self, texts: Mapping[str, Text]) -> None:
        """Write 2-name2text.txt."""
        rows = (
            (clip, " ".join(text.phones), str(text.word2ph and list(text.word2ph)), text.norm_text)
            for clip, text in texts.items()
        )
        _write_rows(self.texts_file, rows)

    def write_codes(self, codes: Mapping[str, Sequence[int]]) -> None:
        """Write 6-name2semantic.tsv, with the header that the reference's readers take off."""
        rows = [SEMANTIC_HEADER.split("\t"), *((clip, " ".join(map(str, row))) for clip, row in codes.items())]
        _write_rows(self.codes_file, rows)

    def texts(self) -> dict[str, Text]:
        """Return what 2-name2text.txt holds, in file order.

        Raises:
            InputError: The file is not there or a row of it cannot be read.
        """
        found = {}
        for number, row in _read_rows(self.texts_file):
            try:
                clip, phones, word2ph, norm_text = row
                counts = _counts(word2ph)
            except ValueError as error:
                raise InputError(f"{self.texts_file.name}: line {number} is not a row of a dataset's texts") from error
            found[_checked(clip, self.texts_file, number)] = Text(tuple(phones.split()), counts, norm_text)
        return found

    def codes(self) -> dict[str, list[int]]:
        """Return what 6-name2semantic.tsv holds, in file order, with a header or without.

        Raises:
            InputError: The file is not there or a row of it cannot be read.
        """
        found = {}
        for number, row in _read_rows(self.codes_file):
            if row == SEMANTIC_HEADER.split("\t"):
                continue
            try:
                clip, codes = row
                found[_checked(clip, self.codes_file, number)] = [int(code) for code in codes.split()]
            except ValueError as error:
                raise InputError(f"{self.codes_file.name}: line {number} is not a row of semantic codes") from error
        return found


def _counts(text: str) -> list[int] | None:
    """Return the phones of each character, written as Python writes a list of integers, or None."""
    if text == "None":
        return None
    if not _COUNTS.fullmatch(text):
        raise ValueError(text)
    return [int(number) for number in text.strip("[]").replace(",", " ").split()]


def _checked(clip: str, path: Path, number: int) -> str:
    problem = what_is_wrong(clip) or ("it has folders in it" if "/" in clip else "")
    if problem:
        raise InputError(f"{path.name}: line {number} names the clip {display(clip)}: {problem}")
    return clip


def _write_rows(path: Path, rows: Iterable[Sequence[str]]) -> None:
    _write(path, "".join("\t".join(row) + "\n" for row in rows).encode())


def text_of(path: Path) -> str:
    """Return a text file of a dataset. Windows programs put a byte order mark in front and CRLF at the ends of lines.

    Raises:
        InputError: It is not there, or not UTF-8.
    """
    if not path.is_file():
        raise InputError(f"{path} is not there; run the format stage")
    return untrusted.read_text(path, hint="run the format stage again").replace("\r\n", "\n")


def _read_rows(path: Path) -> Iterable[tuple[int, list[str]]]:
    for number, line in enumerate(text_of(path).split("\n"), 1):
        if line:
            yield number, line.split("\t")


def _save(tensor: torch.Tensor, path: Path) -> None:
    # A file that torch names holds its name; in memory it has none, so equal tensors are equal files.
    content = io.BytesIO()
    torch.save(tensor, content)
    _write(path, content.getvalue())


def _write(path: Path, content: bytes) -> None:
    with replacing(path, durable=False) as partial:
        partial.write_bytes(content)
