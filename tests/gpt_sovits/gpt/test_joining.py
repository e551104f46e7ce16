from __future__ import annotations

from pathlib import Path

import pytest

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.gpt.data import Item
from voicemill.gpt_sovits.gpt.joining import join

ITEMS = [Item(f"{speaker}_{i}.wav", [i, i + 1], [100 + i]) for speaker in ("ada", "bob") for i in range(20)]


def test_every_clip_is_in_one_row_with_others_of_its_speaker() -> None:
    by_name = {item.name: item for item in ITEMS}
    rows = join(ITEMS, 3, seed=1)
    clips = [[by_name[name] for name in row.name.split("+")] for row in rows]
    assert sorted(clip.name for row in clips for clip in row) == sorted(by_name)
    assert {len(row) for row in clips} == {1, 2, 3}
    for row, parts in zip(rows, clips, strict=True):
        assert len({part.name.partition("_")[0] for part in parts}) == 1
        assert row.phones == [phone for part in parts for phone in part.phones]
        assert row.tokens == [token for part in parts for token in part.tokens]
        assert row.parts == tuple((len(part.phones), len(part.tokens)) for part in parts)


def test_the_seed_decides_who_comes_together_and_rows_of_one_are_the_clips() -> None:
    assert join(ITEMS, 3, seed=1) == join(ITEMS, 3, seed=1) != join(ITEMS, 3, seed=2)
    assert join(ITEMS, 1, seed=1) == ITEMS


def test_clips_with_bert_features_are_not_joined() -> None:
    with pytest.raises(InputError, match="--joined 1"):
        join([*ITEMS, Item("ada_zh.wav", [1], [2], Path("bert.pt"))], 2, seed=1)
