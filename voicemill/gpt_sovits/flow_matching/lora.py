"""Low-rank adaptation of the transformer's attention (LoRA, Hu et al., 2022), named as the reference's files name it.

A LoRA file holds what training has changed: two narrow matrices A `[rank, inputs]` and B `[outputs, rank]` for each
adapted layer, whose product is added to the base's weight, and the layers that are trained whole. The scale that LoRA
allows for is always 1 in the reference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn

from voicemill.core.display import display
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.flow_matching.dit import Attention, Dit
from voicemill.gpt_sovits.kernels.cpu import linear
from voicemill.gpt_sovits.sovits.layers import named

ADAPTED = ("to_q", "to_k", "to_v", "to_out.0")
"""Layers of an attention that get a LoRA."""
MOST_RANK = 1024
TRAINED_WHOLE = ("bridge.", "wns1.", "ref_enc.", "linear_mel.")
"""Layers that a LoRA file holds whole."""
BUFFERS = ("quantizer.", "cfm.estimator.rotary_embed.")
"""A LoRA file also holds these, which training does not change."""
STATISTICS = ".cluster_size"
"""Of the codebook, and of use in its own training alone; half precision makes infinity of them."""

_OURS, _THEIRS = "cfm.estimator.", "cfm.base_model.model.estimator."
_A, _B = ".lora_A.default.weight", ".lora_B.default.weight"


class LoraLinear(nn.Linear):
    """A linear layer that does not learn, and a LoRA that does."""

    def __init__(self, layer: nn.Linear, rank: int):
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        a, b = nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features, bias=False)
        nn.init.kaiming_uniform_(a.weight, a=math.sqrt(5))
        nn.init.zeros_(b.weight)
        self.lora_A, self.lora_B = named(default=a), named(default=b)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias) + self.lora_B(self.lora_A(x))


def add_lora(estimator: Dit, rank: int) -> None:
    """Give every adapted layer a LoRA that does not change anything yet."""
    for module in estimator.modules():
        if isinstance(module, Attention):
            module.to_q, module.to_k, module.to_v = (
                LoraLinear(layer, rank) for layer in (module.to_q, module.to_k, module.to_v)
            )
            module.to_out[0] = LoraLinear(module.to_out[0], rank)  # pyright: ignore[reportArgumentType]


def is_lora(weights: Mapping[str, Tensor]) -> bool:
    """Return whether a file's weights are those of a LoRA."""
    return any(_A in key for key in weights)


def as_in_files(key: str) -> str:
    """Return the name that a weight of a model with LoRA has in the reference's files."""
    return _THEIRS + key.removeprefix(_OURS) if key.startswith(_OURS) else key


def as_in_models(key: str) -> str:
    """Return the opposite of `as_in_files`."""
    return _OURS + key.removeprefix(_THEIRS) if key.startswith(_THEIRS) else key


def of_lora_file(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return those of a trained model's weights that a LoRA file holds, by the names that they have in it."""
    held = (*TRAINED_WHOLE, *BUFFERS)
    return {as_in_files(key): value for key, value in weights.items() if ".lora_" in key or key.startswith(held)}


def merged(base: Mapping[str, Tensor], lora: Mapping[str, Tensor], rank: int) -> dict[str, Tensor]:
    """Return the weights of a base with a LoRA merged into them, those that it changes in single precision.

    Args:
        base: Weights of the whole model.
        lora: Weights of a LoRA file.
        rank: What the file says that its rank is.

    Raises:
        InputError: The LoRA is not one of this base.
    """
    made = dict(base)
    for key, value in whole_weights(lora).items():
        if key in base and base[key].shape != value.shape:
            raise InputError(f"its {display(key)} {tuple(value.shape)} does not fit the base")
        if not key.endswith(STATISTICS):
            made[key] = value
    for layer, (a, b) in pairs(lora, rank).items():
        weight = base.get(f"{layer}.weight")
        if weight is None or weight.shape != (b.shape[0], a.shape[1]):
            raise InputError(f"its LoRA of {display(layer)} is of a layer that the base lacks or has in another size")
        made[f"{layer}.weight"] = weight.float() + b.float() @ a.float()
    return made


def whole_weights(lora: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a LoRA file holds besides the LoRA, by the names that models have.

    Raises:
        InputError: Among it is something that no LoRA file has.
    """
    found = {as_in_models(key): value for key, value in lora.items() if not key.endswith((_A, _B))}
    strange = [key for key in found if not key.startswith((*TRAINED_WHOLE, *BUFFERS))]
    if strange:
        raise InputError(f"it holds {display(strange[0])}, which no LoRA has")
    return found


def pairs(lora: Mapping[str, Tensor], rank: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Return A and B of each adapted layer.

    Args:
        lora: Weights of a LoRA file.
        rank: What the file says that its rank is.

    Raises:
        InputError: They are missing, one lacks its other half, or their sizes are not of the rank.
    """
    if not 0 < rank <= MOST_RANK:
        raise InputError(f"its LoRA has a rank of {rank}; 1 to {MOST_RANK} are possible")
    ours = {as_in_models(key): value for key, value in lora.items() if key.endswith((_A, _B))}
    made = {}
    for layer in sorted({key.removesuffix(_A).removesuffix(_B) for key in ours}):
        a, b = ours.get(layer + _A), ours.get(layer + _B)
        known = layer.startswith(_OURS) and layer.endswith(tuple(f".attn.{name}" for name in ADAPTED))
        if not known or a is None or b is None:
            raise InputError(f"its LoRA of {display(layer)} is of a layer that no LoRA has, or lacks a half")
        if a.ndim != 2 or b.ndim != 2 or a.shape[0] != rank or b.shape[1] != rank:
            shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
            raise InputError(f"its LoRA of {display(layer)} has the shapes {shapes}, not those of a rank of {rank}")
        made[layer] = (a, b)
    if not made:
        raise InputError("it holds no LoRA")
    return made


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Let the layers learn that a LoRA file holds, and no others; returns them by name."""
    learning = {}
    for name, parameter in model.named_parameters():
        learns = ".lora_" in name or name.startswith(TRAINED_WHOLE)
        parameter.requires_grad_(learns)
        if learns:
            learning[name] = parameter
    return learning
