"""Toy models of the real sizes at their edges, and a real recording as reference."""

from pathlib import Path

import pytest

from tests.factories import RECORDING, SAID
from voicemill.gpt_sovits.synthesis import Reference
from voicemill.gpt_sovits.synthesis.synthesizer import Synthesizer
from voicemill.models import locate
from voicemill.models.toy.gpt import make_gpt
from voicemill.models.toy.sovits import make_sovits
from voicemill.models.toy.transformers_models import make_bert, make_hubert
from voicemill.synthesis.load import Pretrained


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for make in (make_hubert, make_bert, make_sovits, make_gpt):
        make(folder, 1)
    return folder


@pytest.fixture(scope="session")
def synthesizer(models: Path) -> Synthesizer:
    return Pretrained(models).synthesizer(locate(models, "sovits-g"), locate(models, "gpt"))


@pytest.fixture(scope="session")
def reference() -> Reference:
    return Reference(RECORDING, SAID, "zh")
