"""Pictures stay small."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scripts import screenshots


class Shown:
    """A page that looks like a picture."""

    def __init__(self, picture: Image.Image) -> None:
        self.picture = picture

    def screenshot(self) -> bytes:
        file = io.BytesIO()
        self.picture.save(file, "PNG")
        return file.getvalue()


def test_a_picture_has_few_colours(tmp_path: Path) -> None:
    page: Any = Shown(Image.linear_gradient("L").convert("RGB"))
    screenshots.save(page, tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").mode == "P" and (tmp_path / "a.png").stat().st_size < screenshots.LARGEST


def test_a_picture_that_is_too_large_is_refused(tmp_path: Path) -> None:
    page: Any = Shown(Image.frombytes("RGB", (600, 600), os.urandom(3 * 600 * 600)))
    with pytest.raises(SystemExit, match="larger than 200 kB"):
        screenshots.save(page, tmp_path / "a.png")


def test_committed_pictures_are_small() -> None:
    pictures = list(screenshots.FOLDER.glob("*.png"))
    assert len(pictures) >= 2 and all(picture.stat().st_size <= screenshots.LARGEST for picture in pictures)
