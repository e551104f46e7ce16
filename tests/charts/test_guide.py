"""The installation guide names values that exist."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.charts.helm import CHART, ROOT

GUIDE = (ROOT / "docs" / "how-to" / "install.md").read_text()
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SECTIONS = "|".join(VALUES)
# `gpu.select=none` in the text, `--set s3.bucket=...` in a command.
NAMED = sorted(set(re.findall(rf"(?:`|--set )((?:{SECTIONS})\.[A-Za-z0-9.<>-]+)", GUIDE)))


def test_the_guide_names_values() -> None:
    assert len(NAMED) > 30


@pytest.mark.parametrize("path", NAMED)
def test_a_value_that_the_guide_names_is_there(path: str) -> None:
    value: Any = VALUES
    for key in path.rstrip(".").split("."):
        if key.startswith("<"):
            return
        assert isinstance(value, dict) and key in value, f"install.md names {path}, which values.yaml has not"
        value = value[key]
