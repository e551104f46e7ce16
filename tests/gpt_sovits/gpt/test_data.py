from pathlib import Path

import pytest
import torch

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.dataset import DatasetFolder, Text
from voicemill.gpt_sovits.gpt.data import FAR_AWAY, Item, collate, epoch_batches, guide, read_items, repeated

ENGLISH = Text(["HH", "AH0", "L", "OW1", ".", "AA1", "B"], None, "hello. ab")
MANDARIN = Text(["n", "i3", "h", "ao3", "sh", "ir4"], [2, 2, 2], "你好是")


@pytest.fixture
def dataset(tmp_path: Path) -> DatasetFolder:
    folder = DatasetFolder(tmp_path)
    folder.create()
    folder.write_texts({"en.wav": ENGLISH, "zh.wav": MANDARIN})
    folder.write_codes({"en.wav": [7] * 40, "zh.wav": [9] * 40})
    folder.add_bert("zh.wav", torch.ones(1024, 6))
    return folder


def read(dataset: DatasetFolder) -> tuple[dict[str, Item], dict[str, str]]:
    dropped: dict[str, str] = {}
    items = read_items(dataset.root, "v2", dropped.__setitem__)
    return {item.name: item for item in items}, dropped


def test_mandarin_comes_with_its_bert_rows_and_english_without(dataset: DatasetFolder):
    items, dropped = read(dataset)
    assert not dropped
    assert float(items["zh.wav"].load_bert().sum()) == 1024 * 6
    assert items["en.wav"].bert is None
    assert float(items["en.wav"].load_bert().abs().sum()) == 0


def test_a_mandarin_clip_without_bert_rows_is_dropped_and_named(dataset: DatasetFolder):
    dataset.bert_path("zh.wav").unlink()
    items, dropped = read(dataset)
    assert list(items) == ["en.wav"]
    assert "BERT features zh.wav.pt are missing" in dropped["zh.wav"]


def test_bert_rows_that_do_not_fit_the_phones_are_dropped(dataset: DatasetFolder):
    dataset.add_bert("zh.wav", torch.ones(1024, 5))
    assert "(1024, 5)" in read(dataset)[1]["zh.wav"]


def test_a_truncated_feature_file_is_dropped(dataset: DatasetFolder):
    path = dataset.bert_path("zh.wav")
    path.write_bytes(path.read_bytes()[:100])
    assert "cannot be read" in read(dataset)[1]["zh.wav"]


@pytest.mark.parametrize(
    ("text", "codes", "reason"),
    [
        (Text(["no_such_phone"], None, "?"), [7] * 40, "no_such_phone"),
        (Text(["B"] * 30, None, "b"), [7] * 25, "30.0 phones a second"),
        (Text(["B"] * 3, None, "b"), [7] * 100, "phones a second"),
        (ENGLISH, [7] * 1351, "more than 54 s"),
        (ENGLISH, [1024] * 40, "0 to 1023"),
        (ENGLISH, None, "no semantic tokens"),
        (None, [7] * 40, "no phones"),
    ],
)
def test_what_cannot_be_trained_on_is_dropped_with_its_reason(dataset: DatasetFolder, text, codes, reason: str):
    dataset.write_texts({"en.wav": ENGLISH, **({"odd.wav": text} if text else {})})
    dataset.write_codes({"en.wav": [7] * 40, **({"odd.wav": codes} if codes else {})})
    items, dropped = read(dataset)
    assert list(items) == ["en.wav"]
    assert reason in dropped["odd.wav"]


def test_a_dataset_without_its_lists_says_what_to_run(tmp_path: Path):
    with pytest.raises(InputError, match="format"):
        read_items(tmp_path, "v2", lambda name, reason: None)


def test_an_epoch_takes_every_clip_once_in_an_order_of_its_own(items: list[Item]):
    epochs = [list(epoch_batches(items, 4, seed=1, epoch=epoch)) for epoch in (0, 0, 1)]
    assert sorted(item.name for batch in epochs[0] for item in batch) == sorted(item.name for item in items)
    assert epochs[0] == epochs[1] != epochs[2]


def test_few_clips_are_gone_through_until_there_are_about_a_hundred(items: list[Item]):
    assert len(repeated(items)) == 99
    assert len(repeated(items[:1])) == 100
    assert len(repeated(items * 20)) == 180
    assert len(repeated(items, 8)) == 9
    assert len(repeated(items[:3], 8)) == len(repeated(items[:3], 4)) == 6
    assert len(repeated(items[:3], 1)) == 3


def test_a_guide_goes_through_the_phones_of_each_clip_at_an_even_pace():
    row = Item("a+b", [1, 2, 3, 4, 5, 6], [7] * 30, parts=((2, 10), (4, 20)))
    guide_YX = guide(row, phones=8, tokens=33)
    # Two columns of padding on the left, three rows after the end.
    assert guide_YX.shape == (33, 8)
    assert (guide_YX[:30, :2] == FAR_AWAY).all() and (guide_YX[30:] == 0).all()
    assert (guide_YX[:10, 4:] == FAR_AWAY).all() and (guide_YX[10:30, :4] == FAR_AWAY).all()
    best = (guide_YX[:30].argmax(1) - 2).tolist()
    assert best == sorted(best) and set(best) == set(range(6))
    assert best[0] == 0 and best[9] == 1 and best[10] == 2 and best[29] == 5


def test_a_batch_has_a_guide_where_it_is_asked_for():
    items = [Item("a", [1, 2], [3] * 12), Item("b", [1, 2, 3], [4] * 9)]
    assert collate(items, 1024).guide_BYX is None
    batch = collate(items, 1024, guided=True)
    assert batch.guide_BYX is not None and batch.guide_BYX.shape == (2, 12, 3)
    part = batch.rows(1, 2)
    assert part.guide_BYX is not None and torch.equal(part.guide_BYX[0, :9], guide(items[1], 3, 9))
