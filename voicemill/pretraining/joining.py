"""Which clips of a corpus are said one after the other."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from voicemill.gpt_sovits.dataset import Text


def rows(names: Sequence[str], most: int, rounds: int) -> list[list[str]]:
    """Clips of one speaker in rows of 1 to `most`.

    Args:
        names: File names of clips, `<speaker>_<number>.wav`.
        most: The longest row.
        rounds: How often each clip is in a row; each round shuffles anew, the same way each time.
    """
    speakers: dict[str, list[str]] = defaultdict(list)
    for name in names:
        speakers[name.rpartition("_")[0]].append(name)
    found = []
    for round_ in range(rounds):
        dice = random.Random(round_)
        for _, clips in sorted(speakers.items()):
            left = dice.sample(clips, len(clips))
            while left:
                length = dice.randint(1, most)
                found.append(left[:length])
                left = left[length:]
    # A later round may make a row again.
    return list({name_of(row): row for row in found}.values())


def name_of(row: Sequence[str]) -> str:
    """The name of a row: its speaker, then the numbers of its clips."""
    speaker = row[0].rpartition("_")[0]
    return "_".join([speaker, *(name.rpartition("_")[2].removesuffix(".wav") for name in row)]) + ".wav"


def join_texts(texts: Sequence[Text]) -> Text:
    """What is said in a row of clips."""
    phones = [phone for text in texts for phone in text.phones]
    return Text(phones, None, " ".join(text.norm_text for text in texts))
