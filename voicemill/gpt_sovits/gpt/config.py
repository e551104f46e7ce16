"""Sizes of the token model, read from the `config` that its checkpoints carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

TOKENS_PER_SECOND = 25
BERT_CHANNELS = 1024
MIN_PHONES_PER_SECOND, MAX_PHONES_PER_SECOND = 3, 25
MAX_SECONDS = 54
"""Longest clip that the public weights were trained on; the base checkpoints' `data.max_sec`."""


@dataclass(frozen=True)
class GptConfig:
    """Sizes of the token model; the defaults are those of the public v2 weights (`s1longer-v2.yaml`).

    The feed-forward width is always four times `hidden_dim`: the reference ignores the yaml's `linear_units`.
    """

    vocab_size: int = 1025
    phoneme_vocab_size: int = 732
    embedding_dim: int = 512
    hidden_dim: int = 512
    head: int = 16
    n_layer: int = 24
    dropout: float = 0.0
    """Dropout of the two embedding tables; that of positions and layers is `Gpt.DROPOUT`, as in the reference."""

    def __post_init__(self) -> None:
        sizes = (self.vocab_size, self.phoneme_vocab_size, self.embedding_dim, self.hidden_dim, self.head, self.n_layer)
        if not all(isinstance(size, int) and 0 < size <= 16384 for size in sizes) or self.n_layer > 128:
            raise ValueError(f"the sizes {sizes} do not belong to a GPT-SoVITS token model")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), not {self.dropout!r}")
        if self.embedding_dim != self.hidden_dim:
            raise ValueError(f"embedding_dim {self.embedding_dim} and hidden_dim {self.hidden_dim} must be equal")
        if self.hidden_dim % (2 * self.head):
            raise ValueError(f"hidden_dim {self.hidden_dim} does not divide into {self.head} heads of even width")

    @property
    def eos(self) -> int:
        """The token that ends a sequence: the last of the vocabulary."""
        return self.vocab_size - 1

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> GptConfig:
        """Read the `model` section of a checkpoint's configuration (or that section itself); other keys are ignored.

        Raises:
            ValueError: The sizes belong to no token model, or its sequences end by another token than the last.
        """
        section = config.get("model", config)
        names = {field.name for field in fields(cls)}
        read = cls(**{key: value for key, value in section.items() if key in names})
        if section.get("EOS", read.eos) != read.eos:
            raise ValueError(f"EOS is {section['EOS']!r}, but must be the last token of the vocabulary, {read.eos}")
        return read

    def to_dict(self) -> dict[str, Any]:
        """The configuration as the reference's checkpoints carry it, so that the reference can load an export."""
        model = asdict(self) | {"linear_units": 4 * self.hidden_dim, "EOS": self.eos, "random_bert": 0}
        return {"data": {"max_sec": MAX_SECONDS, "pad_val": self.eos}, "model": model, "inference": {"top_k": 15}}
