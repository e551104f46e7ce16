import pytest
import torch

from tests.gpt_sovits.gpt.conftest import TINY
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.gpt.data import Batch, Item, collate
from voicemill.gpt_sovits.gpt.model import Gpt, visible


@pytest.fixture
def batch(items: list[Item]) -> Batch:
    return collate([items[0], items[5], items[8]], TINY.eos)


@torch.no_grad()
def test_a_padded_item_scores_as_it_does_alone(model: Gpt, batch: Batch, items: list[Item]):
    together = model(*batch.inputs)[0]
    for row, item in enumerate([items[0], items[5], items[8]]):
        alone = model(*collate([item], TINY.eos).inputs)[0][0]
        torch.testing.assert_close(together[row, : len(alone)], alone, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_every_phoneme_of_a_padded_item_is_seen_and_no_padding(model: Gpt, batch: Batch):
    scores = model(*batch.inputs)[0]
    first, padding = batch.phones_BX.clone(), batch.phones_BX.clone()
    first[0, 0] = 700
    padding[0, -1] = 700
    assert not torch.equal(model(*batch._replace(phones_BX=first).inputs)[0][0], scores[0])
    assert torch.equal(model(*batch._replace(phones_BX=padding).inputs)[0][0], scores[0])


@torch.no_grad()
def test_without_the_shift_a_padded_item_loses_its_first_phonemes_as_in_the_reference(model: Gpt, batch: Batch):
    scores = model(*batch.inputs, shift_phones=False)[0]
    first = batch.phones_BX.clone()
    first[0, 0] = 700
    assert torch.equal(model(*batch._replace(phones_BX=first).inputs, shift_phones=False)[0][0], scores[0])


def test_tokens_see_phonemes_and_the_past_only():
    sees = visible(2, 3, torch.device("cpu"))
    assert sees.int().tolist() == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
    ]


@torch.no_grad()
def test_weights_load_with_the_prefix_of_the_references_files(model: Gpt, batch: Batch):
    loaded = Gpt.from_checkpoint(TINY.to_dict(), {f"model.{key}": value for key, value in model.state_dict().items()})
    assert torch.equal(loaded.eval()(*batch.inputs)[0], model(*batch.inputs)[0])


def test_weights_of_another_size_are_refused_in_one_sentence(model: Gpt):
    weights = model.state_dict()
    weights["bert_proj.weight"] = torch.zeros(8, 1024)
    with pytest.raises(InputError, match="do not fit their configuration"):
        Gpt.from_checkpoint(TINY.to_dict(), weights)
