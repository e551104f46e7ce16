"""Chinese BERT features, one row a phone.

Shapes: N characters, P phones, C = 1024 channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from voicemill.core.errors import InputError

if TYPE_CHECKING:
    from transformers import BertModel, PreTrainedTokenizerBase

CHANNELS = 1024
# The features are the output of the third layer from the end; those above it are never run.
_UNUSED_LAYERS = 2


@dataclass(frozen=True)
class Bert:
    """A tokenizer and the layers of its model that are needed."""

    tokenizer: PreTrainedTokenizerBase
    model: BertModel


class Segment(Protocol):
    """A stretch of text in one language, as `voicemill.text` gives it."""

    @property
    def language(self) -> str: ...
    @property
    def norm_text(self) -> str: ...
    @property
    def phones(self) -> Sequence[str]: ...
    @property
    def word2ph(self) -> Sequence[int] | None: ...


def load(folder: Path, device: str | torch.device = "cpu") -> Bert:
    """Load a BERT in transformers' folder form, for inference in float32.

    Raises:
        InputError: The folder does not hold one.
    """
    from transformers import AutoConfig, AutoTokenizer, BertModel

    from voicemill.gpt_sovits.features.pretrained import loading

    with loading(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        config.num_hidden_layers -= _UNUSED_LAYERS
        model = BertModel.from_pretrained(
            folder, config=config, add_pooling_layer=False, local_files_only=True, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
    return Bert(tokenizer, model.to(device).eval())  # pyright: ignore[reportArgumentType]


@torch.no_grad()
def features(bert: Bert, norm_text: str, word2ph: Sequence[int]) -> torch.Tensor:
    """Return the features of a Chinese text, each character's row repeated for its phones.

    Args:
        bert: From `load`.
        norm_text: N characters, normalised.
        word2ph: Phones of each character, `[N]`.

    Returns:
        float32 `[C, P]` on the CPU.

    Raises:
        InputError: The text is longer than the model's positions.
    """
    assert len(word2ph) == len(norm_text), f"{len(norm_text)} characters but {len(word2ph)} phone counts"
    encoded = bert.tokenizer(norm_text, return_tensors="pt", return_offsets_mapping=True)
    spans = encoded.pop("offset_mapping")[0, 1:-1].tolist()
    limit = bert.model.config.max_position_embeddings
    if len(spans) + 2 > limit:
        raise InputError(f"a sentence of {len(norm_text)} characters is longer than the {limit - 2} that BERT reads")
    rows_NC = bert.model(**encoded.to(bert.model.device)).last_hidden_state[0, 1:-1].float().cpu()
    # A Chinese character is a token. Where the tokenizer joins or drops characters the spans tell whose row is whose.
    row_of = {character: row for row, (begin, end) in enumerate(spans) for character in range(begin, end)}
    by_character = [rows_NC[row_of[i]] if i in row_of else torch.zeros(rows_NC.shape[1]) for i in range(len(norm_text))]
    return torch.stack(by_character).repeat_interleave(torch.tensor(word2ph), dim=0).T.contiguous()


def segment_features(bert: Bert, segments: Iterable[Segment]) -> torch.Tensor:
    """Return the features of a text in several languages: Chinese segments have rows of BERT's, the others zeros.

    Args:
        bert: From `load`.
        segments: In the order of their phones.

    Returns:
        float32 `[C, P]` over all segments.
    """
    parts = [
        features(bert, segment.norm_text, segment.word2ph)
        if segment.language == "zh" and segment.word2ph
        else torch.zeros(CHANNELS, len(segment.phones))
        for segment in segments
    ]
    return torch.cat(parts, dim=1) if parts else torch.zeros(CHANNELS, 0)
