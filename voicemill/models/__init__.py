"""Pretrained models: where they lie, what they are, how they get there."""

from voicemill.models.layout import locate, resolve_local

__all__ = ["locate", "resolve_local"]
