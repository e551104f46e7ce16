"""No library that a stage imports tells anybody that it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_onnxruntime_keeps_nothing_to_report(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", "import voicemill, onnxruntime"], env=environment, check=True)
    # What it is going to send it first writes into a database below the cache folder.
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
