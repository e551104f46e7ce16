from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.gpt_sovits.sovits.conftest import write_dataset
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.sovits import data
from voicemill.text import symbols


def find(dataset: Path, **options) -> data.Found:
    return data.find_items(dataset, lambda phones: symbols.ids(phones, "v2"), **options)


def test_every_clip_is_an_item_or_has_a_reason(dataset: Path) -> None:
    text = dataset / "2-name2text.txt"
    rows = text.read_text().splitlines()
    rows[1] = rows[1].replace("HH", "NO_PHONE")
    text.write_text("\n".join([*rows, "ghost.wav\tHH\tNone\thm", "torn.wav\tHH"]) + "\n")
    (dataset / "4-cnhubert" / "clip2.wav.pt").unlink()
    (dataset / "5-wav32k" / "extra.wav").write_bytes((dataset / "5-wav32k" / "clip0.wav").read_bytes())
    found = find(dataset)
    assert [item.name for item in found.items] == ["clip0.wav", "clip3.wav"]
    assert set(found.drops) == {"clip1.wav", "clip2.wav", "ghost.wav", "torn.wav", "extra.wav"}
    assert "NO_PHONE" in found.drops["clip1.wav"]
    assert found.drops["clip2.wav"] == "4-cnhubert/clip2.wav.pt is missing"


@pytest.mark.parametrize(("fewest", "repeats"), [(1, 1), (4, 1), (5, 2), (13, 3), (100, 25)])
def test_few_clips_are_gone_through_several_times(dataset: Path, fewest: int, repeats: int) -> None:
    assert find(dataset, min_clips_per_epoch=fewest).repeats == repeats
    assert find(dataset).repeats == 25


def test_speaker_vectors_are_asked_for_where_the_version_needs_them(dataset: Path, tmp_path: Path) -> None:
    assert not find(dataset, speaker_vectors=True).items
    assert len(find(write_dataset(tmp_path / "pro", 2, speaker_vectors=True), speaker_vectors=True).items) == 2


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "cannot be read"),
        (lambda path: torch.save(torch.zeros(1, 768, 4), path), "4 frames where the audio has"),
        (lambda path: torch.save(torch.zeros(1, 512, 34), path), "holds (1, 512, 34)"),
        (lambda path: torch.save(torch.full((1, 768, 34), torch.nan), path), "not numbers"),
        (lambda path: torch.save({"x": 1}, path), "does not hold a tensor"),
    ],
)
def test_damaged_features_are_an_error_that_names_them(dataset: Path, damage, reason: str) -> None:
    item = find(dataset).items[0]
    damage(item.ssl)
    with pytest.raises(InputError, match="clip0.wav.pt") as error:
        data.load(item)
    assert reason in str(error.value)


def test_truncated_audio_is_an_error_that_names_it(dataset: Path) -> None:
    item = find(dataset).items[0]
    item.wav.write_bytes(b"RIFF" + bytes(50000))
    with pytest.raises(InputError, match="clip0.wav cannot be read as audio"):
        data.check(item)


def test_features_one_frame_short_repeat_the_last(dataset: Path) -> None:
    item = find(dataset).items[0]
    stored = torch.load(item.ssl)
    example = data.load(item)
    assert example.ssl_1CT.shape[-1] == example.spec_FT.shape[-1] == stored.shape[-1] + 1
    assert torch.equal(example.ssl_1CT[..., -1], stored[..., -1])


def test_an_epoch_has_every_item_and_the_same_order_for_the_same_seed() -> None:
    buckets, _ = data.make_buckets([40, 50, 700, 60, 710, 32, 2000])
    first = data.batches(buckets, 2, seed=7)
    assert {i for batch in first for i in batch} == {0, 1, 2, 3, 4}
    assert all(len(batch) == 2 for batch in first)
    assert data.batches(buckets, 2, seed=7) == first
    assert any(data.batches(buckets, 2, seed=s) != first for s in range(8, 12))


def test_a_crop_takes_the_same_piece_of_sound_features_and_tokens(dataset: Path) -> None:
    example = data.load(find(dataset).items[1])
    frames = example.spec_FT.shape[1]
    for seed in range(5):
        part = example.cropped(34, np.random.default_rng(seed))
        (start,) = (i for i in range(frames) if torch.equal(example.spec_FT[:, i : i + 34], part.spec_FT))
        # Tokens are made of two frames each, from the first on.
        assert start % 2 == 0
        assert torch.equal(part.ssl_1CT, example.ssl_1CT[..., start : start + 34])
        assert torch.equal(part.wav_1L, example.wav_1L[:, start * 640 : (start + 34) * 640])
        assert torch.equal(part.phones_P, example.phones_P)
    assert example.cropped(frames + 2, np.random.default_rng(0)) is example
    assert example.cropped(2 * (frames // 2), np.random.default_rng(0)).spec_FT.shape[1] == 2 * (frames // 2)
