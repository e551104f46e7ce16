"""Where the shared material (real speech, golden numbers) lies, on machines that have it."""

import os
from pathlib import Path

_folder = Path(os.environ.get("VOICEMILL_SHARED", Path(__file__).resolve().parents[2] / "shared"))

SHARED: Path | None = _folder if _folder.is_dir() else None
"""Folder with `data/` and `parity/`, from $VOICEMILL_SHARED or beside the repository; None where there is none."""
