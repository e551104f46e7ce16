"""Chinese BERT features, one row a phone.

Shapes: T tokens, N characters, P phones, C = 1024 channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from voicemill.gpt_sovits.features.bert_rows import UNUSED_LAYERS, Segment, by_phone, by_segment, check_length

if TYPE_CHECKING:
    from transformers import BertModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Bert:
    """A tokenizer and the layers of its model that are needed."""

    tokenizer: PreTrainedTokenizerBase
    model: BertModel


def load(folder: Path, device: str | torch.device = "cpu") -> Bert:
    """Load a BERT in transformers' folder form, for inference in float32.

    Raises:
        InputError: The folder does not hold one.
    """
    from transformers import AutoConfig, AutoTokenizer, BertModel

    from voicemill.gpt_sovits.features.pretrained import loading

    with loading(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        config.num_hidden_layers -= UNUSED_LAYERS
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
    check_length(norm_text, len(spans), bert.model.config.max_position_embeddings)
    rows_TC = bert.model(**encoded.to(bert.model.device)).last_hidden_state[0, 1:-1].float().cpu()
    return torch.from_numpy(by_phone(rows_TC.numpy(), spans, word2ph))


def segment_features(bert: Bert, segments: Iterable[Segment]) -> torch.Tensor:
    """Return the features of a text in several languages: Chinese segments have rows of BERT's, the others zeros.

    Args:
        bert: From `load`.
        segments: In the order of their phones.

    Returns:
        float32 `[C, P]` over all segments.
    """
    return torch.from_numpy(by_segment(segments, lambda text, word2ph: features(bert, text, word2ph).numpy()))
