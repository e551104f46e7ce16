"""A release is refused before anything is published, where its parts do not fit together."""

from __future__ import annotations

import re
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
import yaml

from scripts import release
from voicemill import __version__

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = """# Changelog

## [Unreleased]

## [1.2.0] - 2026-12-01

### Added

- Singing.

## [1.1.0] - 2026-11-01

- Speaking.

[1.2.0]: compare/v1.1.0...v1.2.0
"""


def checkout(folder: Path, version: str = "1.2.0", chart: str = "1.2.0", changelog: str = CHANGELOG) -> Path:
    (folder / "voicemill").mkdir()
    (folder / "voicemill" / "__init__.py").write_text(f'import os\n\n__version__ = "{version}"\n')
    (folder / "charts" / "voicemill").mkdir(parents=True)
    (folder / "charts" / "voicemill" / "Chart.yaml").write_text(f"version: {chart}\nappVersion: {chart}\n")
    (folder / "CHANGELOG.md").write_text(changelog)
    return folder


def distributions(folder: Path, version: str = "1.2.0", extra: tuple[str, ...] = (), metadata: str = "") -> Path:
    needed = [*release.NEEDED, *extra]
    with zipfile.ZipFile(folder / f"voicemill-{version}-py3-none-any.whl", "w") as wheel:
        stated = metadata or f"Metadata-Version: 2.4\nName: voicemill\nVersion: {version}\n"
        wheel.writestr(f"voicemill-{version}.dist-info/METADATA", stated)
        for name in needed:
            wheel.writestr(name, "")
    with tarfile.open(folder / f"voicemill-{version}.tar.gz", "w:gz") as sdist:
        for name in (*needed, "LICENSE", "README.md"):
            sdist.addfile(tarfile.TarInfo(f"voicemill-{version}/{name}"), BytesIO())
    return folder


def test_this_checkout_could_be_released() -> None:
    assert release.version() == __version__
    assert release.problems() == []


def test_what_fits_together_passes_and_its_notes_are_the_changelogs_section(tmp_path: Path) -> None:
    root = checkout(tmp_path)
    assert release.problems(root, "v1.2.0") == []
    notes = release.sections((root / "CHANGELOG.md").read_text())
    assert notes["1.2.0"] == "### Added\n\n- Singing." and notes["1.1.0"] == "- Speaking."


@pytest.mark.parametrize(
    ("parts", "tag", "said"),
    [
        ({}, "v1.3.0", "tag v1.2.0"),
        ({}, "1.2.0", "tag v1.2.0"),
        ({"chart": "1.1.0"}, "v1.2.0", "make golden"),
        ({"version": "1.3.0", "chart": "1.3.0"}, "v1.3.0", r"no section \[1\.3\.0\]"),
        ({"version": "1.3.0", "chart": "1.3.0"}, None, r"no section \[Unreleased\], or an empty one"),
        ({"version": "1.2.0-rc.1", "chart": "1.2.0-rc.1"}, "v1.2.0-rc.1", "1.2.0rc1"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, parts: dict[str, str], tag: str | None, said: str) -> None:
    assert any(re.search(said, problem) for problem in release.problems(checkout(tmp_path, **parts), tag))


def test_distributions_are_looked_into(tmp_path: Path) -> None:
    assert release.inspect(distributions(tmp_path), "1.2.0") == []


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"version": "1.1.0"}, "not of version 1.2.0"),
        ({"extra": ("tests/__init__.py",)}, "puts tests into site-packages"),
        ({"metadata": "Metadata-Version: 2.4\nName: voice mill!\nVersion: 1.2.0\n"}, "is invalid"),
    ],
)
def test_a_wheel_that_should_not_be_published_is_refused(tmp_path: Path, parts: dict[str, object], said: str) -> None:
    found = release.inspect(distributions(tmp_path, **parts), "1.2.0")  # pyright: ignore[reportArgumentType]
    assert any(said in problem for problem in found), found


def test_a_folder_without_an_sdist_or_with_two_wheels_is_refused(tmp_path: Path) -> None:
    distributions(tmp_path)
    (tmp_path / "voicemill-1.0.0-py3-none-any.whl").touch()
    assert release.inspect(tmp_path, "1.2.0") == [
        f"{tmp_path} holds 2 wheels and 1 sdists: there should be one of each"
    ]


def workflow(name: str) -> dict[str, dict[str, dict[str, object]]]:
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())


def test_a_release_publishes_nothing_before_its_parts_were_checked() -> None:
    jobs = workflow("release")["jobs"]
    assert any("make dist TAG=" in str(step) for step in jobs["distributions"]["steps"])  # pyright: ignore[reportGeneralTypeIssues]
    before = {name: job.get("needs", []) for name, job in jobs.items()}
    assert before == {
        "distributions": [],
        "images": "distributions",
        "chart": "images",
        "publish": ["distributions", "images", "chart"],
    }


def test_images_are_tagged_as_the_chart_asks_for_them() -> None:
    steps = workflow("images")["jobs"]["push"]["steps"]
    (bake,) = [step for step in steps if "bake-action" in str(step.get("uses"))]  # pyright: ignore
    assert bake["env"]["TAG"] == "${{ steps.version.outputs.version }}"  # pyright: ignore
    assert any("${GITHUB_REF_NAME#v}" in str(step.get("run")) for step in steps)  # pyright: ignore
    chart = (ROOT / "charts" / "voicemill" / "workflows" / "clone_voice.yaml").read_text()
    assert f"image: voicemill-slice:{__version__}\n" in chart
