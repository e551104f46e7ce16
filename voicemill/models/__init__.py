"""Pretrained models: where they lie, what they are, how they get there."""

from voicemill.models.layout import at_hand, locate

__all__ = ["at_hand", "locate"]
