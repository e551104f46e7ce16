"""A voice that is hardly understood is called so, on its model card too."""

from __future__ import annotations

from typing import Any

import pytest

from voicemill.cli.run import speak_with
from voicemill.voice import understood


@pytest.mark.parametrize("metrics", [{}, {"error_rate": None}, {"error_rate": 0.2}, {"error_rate": 0.49}])
def test_nothing_is_said_of_a_voice_that_is_understood_or_was_not_measured(metrics: dict[str, Any]) -> None:
    assert understood.warning(metrics) == ""


def test_a_voice_that_is_hardly_understood_is_called_so_with_the_interval() -> None:
    told = understood.warning({"error_rate": 0.9765, "error_rate_interval": [0.9467, 1.0]})
    assert told.startswith("hardly understood: a recogniser hears 98 % (95 to 100 %) of what it says wrong")
    assert "50 % of what" in understood.warning({"error_rate": 0.5})


@pytest.mark.parametrize(
    ("language", "greeting"), [("zh", "早上好。"), ("en", "Good morning."), ("es", "Good morning.")]
)
def test_a_voice_is_heard_in_its_own_language(language: str, greeting: str, tmp_path: Any) -> None:
    assert f"voicemill say '{greeting}' --voice {tmp_path}" in speak_with(tmp_path, "models", language)
