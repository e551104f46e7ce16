"""Data files of installed packages."""

import importlib.util
from pathlib import Path


def package_file(package: str, name: str) -> Path:
    """Return a data file of an installed package, found without importing it (g2p_en's import downloads corpora)."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"English needs the package {package}", name=package)
    return Path(spec.submodule_search_locations[0]) / name
