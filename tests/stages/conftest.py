from pathlib import Path

import pytest

from tests.shared import SHARED

# These go through the shared collection of recordings; where it is not, there is nothing to go through.
collect_ignore = [] if SHARED else ["test_ingest_hard.py", "test_slice_known_utterances.py"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a toy GPT."""
    folder = tmp_path_factory.mktemp("models")
    from voicemill.models.toy.gpt import make_gpt

    make_gpt(folder, 0)
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset for GPT: a clip to train on, and one without known phones."""
    from voicemill.gpt_sovits.dataset import DatasetFolder, Text

    folder = DatasetFolder(tmp_path / "dataset")
    folder.root.mkdir()
    folder.create()
    phones = ["HH", "AH0", "L", "OW1", "W", "ER1", "L", "D", "."]
    folder.write_texts({"a.wav": Text(phones, None, "hello world."), "bad.wav": Text(["nonsense"], None, "?")})
    folder.write_codes({"a.wav": [n % 1024 for n in range(0, 600, 15)], "bad.wav": [1] * 25})
    return folder.root
