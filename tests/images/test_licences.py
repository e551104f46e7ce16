"""The page of licences is what the installed metadata says, and nothing is installed that forbids commercial use."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from images import layer, licences

ROOT = Path(__file__).resolve().parents[2]
WHEELS = pytest.mark.skipif(
    (sys.platform, platform.machine(), sys.version_info[:2]) != ("linux", "x86_64", (3, 11)),
    reason="the page is of the wheels for Linux on x86-64 and Python 3.11",
)


class Package(Distribution):
    """An installed package of a name, with metadata and files that a test chooses."""

    def __init__(self, folder: Path, metadata: str, files: str = "") -> None:
        self._texts = {"METADATA": f"Metadata-Version: 2.4\nVersion: 1\n{metadata}\n", "RECORD": files}
        self._folder = folder

    def read_text(self, filename: str) -> str | None:
        return self._texts.get(filename)

    def locate_file(self, path: object) -> Path:
        return self._folder / str(path)


@WHEELS
def test_the_page_is_what_the_script_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert licences.main("--check") == 0, capsys.readouterr().err


def test_packages_that_others_vendor_are_not_the_environment_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "packaging-0.1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: packaging\nVersion: 0.1\nLicense-Expression: GPL-3.0\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    licences.installed.cache_clear()
    assert licences.installed()["packaging"].version != "0.1"


def test_no_extra_comes_to_a_package_that_forbids_commercial_use() -> None:
    names = set().union(*licences.extras().values())
    assert "audio-separator" in names
    assert not names & {"diffq", "diffq-fixed", "onnx-weekly"}
    assert not licences.refused({name: licences.licence(name) for name in names})
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    assert not [line for line in pinned if line.startswith(("diffq", "onnx-weekly"))]


@pytest.mark.parametrize(
    "said",
    [
        "Creative Commons Attribution-NonCommercial 4.0 International",
        "CC-BY-NC-4.0",
        "Free for non-commercial use",
        "AGPL-3.0-or-later",
        "GNU Affero General Public License v3",
        "SSPL-1.0",
        "LicenseRef-Acme-Proprietary",
    ],
)
def test_licences_that_nobody_may_pass_on_are_refused(said: str) -> None:
    assert licences.refused({"x": said}) == {"x": said}


@pytest.mark.parametrize("said", ["MIT", "GPL-3.0-or-later", "CC-BY-SA-3.0", "LicenseRef-NVIDIA-Proprietary"])
def test_licences_that_can_be_met_are_not(said: str) -> None:
    assert licences.refused({"x": said}) == {}


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ("License-Expression: MIT\nLicense: whatever", "MIT"),
        ("License: Apache License 2.0", "Apache-2.0"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: BSD License", "BSD-3-Clause"),
        ("License: Some Licence of Ours", "Some Licence of Ours"),
    ],
)
def test_a_licence_is_read_from_the_most_exact_field(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, metadata: str, said: str
) -> None:
    monkeypatch.setattr(licences, "installed", lambda: {"x": Package(tmp_path, f"Name: x\n{metadata}")})
    assert licences.licence("x") == said


def test_a_package_without_a_licence_and_a_library_without_one_have_to_be_looked_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = Package(tmp_path, "Name: x", "x.libs/libnew-1234.so.1,,\nx.libs/libx264-99.so.165,,\nx/own.so,,\n")
    for name in ("libnew-1234.so.1", "libx264-99.so.165"):
        (tmp_path / "x.libs").mkdir(exist_ok=True)
        (tmp_path / "x.libs" / name).touch()
    monkeypatch.setattr(licences, "installed", lambda: {"x": package})
    with pytest.raises(ValueError, match="x: no licence"):
        licences.licence("x")
    with pytest.raises(ValueError, match="libnew"):
        licences.libraries(package)


def test_what_images_leave_out_is_marked_so() -> None:
    page = licences.PAGE.read_text()
    assert "distance" in layer.UNUSED
    assert any(line.startswith("| Distance |") and "(no image)" in line for line in page.splitlines())
