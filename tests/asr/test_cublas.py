"""CTranslate2's cuBLAS is found where pip puts it; without it nobody asks the GPU for anything."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from voicemill.asr.whisper import WhisperRecognizer
from voicemill.core.errors import UsageError

LOAD = "from voicemill.asr.cublas import load_cublas; print(load_cublas())"
NAMES = ("libcublasLt.so.12", "libcublas.so.12")


def loaded(folder: Path) -> str:
    """What loading says in a process that finds packages in a folder too."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); {LOAD}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's shared libraries")
def test_the_libraries_of_a_package_are_loaded_only_when_both_are_there(tmp_path: Path) -> None:
    if loaded(tmp_path) == "True":
        pytest.skip("needs a machine without cuBLAS 12 of its own")
    folder = tmp_path / "nvidia" / "cublas" / "lib"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    # Any shared library will do to be loaded under that name.
    library = Path(
        next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libm" in line)
    )
    for name, found in zip(NAMES, ("False", "True"), strict=True):
        shutil.copy(library, folder / name)
        assert loaded(tmp_path) == found


def test_asking_for_a_gpu_without_the_library_says_what_to_install(tmp_path: Path) -> None:
    if loaded(tmp_path) == "True":
        pytest.skip("needs a machine without cuBLAS 12")
    with pytest.raises(UsageError, match=r"voicemill\[cuda12\]"):
        WhisperRecognizer(tmp_path, "en", "cuda")
