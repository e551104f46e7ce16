"""Recorded cases from outside, each with what is expected of it, run by one command that prints a table.

    python -m tests.cases [DIR]

DIR holds `index.csv` and the inputs that it names. A module of this package exports `CASES`: what `index.csv` calls
`file`, to a function that takes a fresh folder and returns what was got and whether that is as expected.
"""

import csv
import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

from tests.shared import SHARED

Case = Callable[[Path], tuple[str, bool]]

_folder: Path | None = SHARED / "cases" if SHARED else None


def use(folder: Path) -> None:
    """Take index and inputs from another folder."""
    global _folder
    _folder = folder


def case(name: str) -> Path:
    """Where an input of the cases lies."""
    assert _folder is not None, "the folder of cases is missing"
    return _folder / name


def index() -> list[dict[str, str]]:
    """The rows of index.csv; empty if this machine has no cases."""
    if _folder is None or not (_folder / "index.csv").is_file():
        return []
    with (_folder / "index.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def registered() -> dict[str, Case]:
    """The functions of every module here that exports `CASES`."""
    found: dict[str, Case] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith(("_", "test_")):
            cases = importlib.import_module(f"{__name__}.{module.name}").CASES
            assert not found.keys() & cases.keys(), f"{module.name} repeats {sorted(found.keys() & cases.keys())}"
            found |= cases
    return found
