"""Every stage says in one sentence, and by its exit code, that a path cannot be read or written, before any work."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.permissions import permissions_hold
from voicemill import stages
from voicemill.contract import Stage
from voicemill.contract.declaration import REQUIRED


def all_stages() -> Iterator[Stage]:
    for module in pkgutil.iter_modules(stages.__path__):
        name = f"voicemill.stages.{module.name}"
        for found in vars(importlib.import_module(name)).values():
            if isinstance(found, Stage) and found.declaration.module == name:
                yield found


VALUES = {str: "x", int: "3", float: "0.5", bool: "true"}
ALL = {stage.name: stage for stage in all_stages()}


@pytest.fixture
def a_folder(tmp_path: Path) -> Path:
    """A folder for inputs, beside an empty file, a folder that cannot be written and one that cannot be read."""
    for name in ("inputs", "fixed", "locked"):
        (tmp_path / name).mkdir()
    (tmp_path / "inputs" / "a file").write_text("")
    for name in ("a file", "a sealed file"):
        (tmp_path / name).write_text("")
    (tmp_path / "a sealed file").chmod(0)
    (tmp_path / "fixed").chmod(0o555)
    (tmp_path / "locked").chmod(0)
    return tmp_path


def arguments(stage: Stage, folder: Path, **places: Path) -> list[str]:
    """A command line that is right but for the places given."""
    options: dict[str, object] = {}
    for artifact in stage.declaration.artifacts:
        existing = folder / "inputs" if artifact.kind.is_folder else folder / "a file"
        options[artifact.name] = existing if artifact.kind.role == "input" else folder / "out" / artifact.name
    for parameter in stage.parameters:
        if parameter.default is REQUIRED:
            read = parameter.place if parameter.place and not parameter.place.is_written else None
            is_file = read and read.kind == "file"
            place = folder / "a file" if is_file else folder / "inputs"
            options[parameter.name] = place if read else VALUES[parameter.type]
    options |= places
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def ended(stage: Stage, words: list[str], caplog: pytest.LogCaptureFixture) -> tuple[int, str]:
    caplog.clear()
    with permissions_hold(), caplog.at_level(logging.INFO):
        code = stage.run(words)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert all(record.exc_info is None for record in errors), "a traceback"
    return code, " ".join(record.getMessage() for record in errors)


@pytest.mark.parametrize("name", sorted(ALL))
def test_an_output_that_cannot_be_written_ends_with_73(
    name: str, a_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = ALL[name]
    for output in stage.outputs:
        code, said = ended(stage, arguments(stage, a_folder, **{output.name: a_folder / "fixed" / "x"}), caplog)
        assert code == 73 and str(a_folder / "fixed" / "x") in said and "\n" not in said


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_file_in_a_folders_place_ends_with_64(name: str, a_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage = ALL[name]
    for output in stage.outputs:
        for place in (a_folder / "a file" / "x", a_folder / "a file" if output.kind.is_folder else a_folder / "inputs"):
            code, said = ended(stage, arguments(stage, a_folder, **{output.name: place}), caplog)
            assert code == 64 and str(a_folder) in said and "\n" not in said


@pytest.mark.parametrize("name", sorted(ALL))
def test_an_input_that_cannot_be_read_ends_with_65(name: str, a_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage = ALL[name]
    for given in stage.inputs:
        place = a_folder / "locked" if given.kind.is_folder else a_folder / "a sealed file"
        code, said = ended(stage, arguments(stage, a_folder, **{given.name: place}), caplog)
        assert code == 65 and str(place) in said and "permission denied" in said
