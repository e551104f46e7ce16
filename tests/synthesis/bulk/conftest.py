"""Two voices that a script may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.registry.conftest import make_voice


@pytest.fixture
def ada(tmp_path: Path) -> str:
    return str(make_voice(tmp_path / "voices" / "ada", speaker="ada"))


@pytest.fixture
def bob(tmp_path: Path) -> str:
    return str(make_voice(tmp_path / "voices" / "bob", speaker="bob"))
