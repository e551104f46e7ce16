"""Pretrained models: where they lie, what they are, how they get there."""

from voicemill.models.layout import locate

__all__ = ["locate"]
