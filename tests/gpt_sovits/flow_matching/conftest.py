"""Toy bases of v3 and v4, and what stands before them."""

from pathlib import Path

import pytest

from voicemill.models.toy.gpt import make_gpt
from voicemill.models.toy.mel_sovits import make_mel_sovits
from voicemill.models.toy.transformers_models import make_bert, make_hubert


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for make in (make_hubert, make_bert, make_gpt):
        make(folder, 1)
    for version in ("v3", "v4"):
        make_mel_sovits(folder, 1, version)
    return folder
