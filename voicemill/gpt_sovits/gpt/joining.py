"""Clips said one after the other, for a token model that knows nothing: in synthesis it resumes from a reference."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.gpt.data import Item


def join(items: Sequence[Item], most: int, seed: int) -> list[Item]:
    """Return the rows of 1 to `most` clips of one speaker; each clip is in one of them.

    Args:
        items: Clips whose speaker is their name up to its last underscore.
        most: The longest row.
        seed: Decides which clips come together.

    Raises:
        InputError: Where clips have BERT rows, which lie in one file a clip.
    """
    if most == 1:
        return list(items)
    if any(item.bert for item in items):
        raise InputError("clips with BERT features cannot be joined; train with --joined 1")
    rng, found = random.Random(seed), []
    speakers: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        speakers[item.name.rpartition("_")[0]].append(item)
    for clips in speakers.values():
        rng.shuffle(clips)
        while clips:
            length = rng.randint(1, most)
            found.append(_row(clips[:length]))
            clips = clips[length:]
    return found


def _row(clips: Sequence[Item]) -> Item:
    """Return one item of several."""
    phones = [phone for clip in clips for phone in clip.phones]
    parts = tuple((len(clip.phones), len(clip.tokens)) for clip in clips)
    tokens = [token for clip in clips for token in clip.tokens]
    return Item("+".join(clip.name for clip in clips), phones, tokens, parts=parts)
