"""cuBLAS of CUDA 12, without which CTranslate2 cannot use a GPU; torch brings that of CUDA 13."""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from pathlib import Path

_LIBRARIES = ("libcublasLt.so.12", "libcublas.so.12")


def load_cublas() -> bool:
    """Load the libraries from the package nvidia-cublas-cu12, or from where the system has them.

    CTranslate2 opens them by their names only, and finds them once they are in the process.

    Returns:
        Whether they are there.
    """
    try:
        package = find_spec("nvidia.cublas")
    except ModuleNotFoundError:
        package = None
    places = package.submodule_search_locations or [] if package else []
    folders = [Path(place, "lib") for place in places]
    for name in _LIBRARIES:
        found = next((folder / name for folder in folders if (folder / name).is_file()), Path(name))
        try:
            ctypes.CDLL(str(found), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            return False
    return True
