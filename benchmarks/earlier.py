"""An earlier commit as the other implementation of `benchmarks.pairs`: has something become slower since?

    git worktree add /tmp/earlier COMMIT
    EARLIER=/tmp/earlier python -m benchmarks.synthesis --against benchmarks/earlier.py --only s1_infer,s2_decode
    EARLIER=/tmp/earlier python -m benchmarks.training --against benchmarks/earlier.py

The commit's own benchmarks measure it, in the same environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def __getattr__(name: str) -> Any:
    def measured(given: Any, repeat: int) -> dict[str, Any]:
        """Return what the earlier commit measures of the task; it makes the same inputs itself."""
        import torch

        checkout = os.environ["EARLIER"]
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "benchmarks.pairs", "--child", name, str(Path(folder) / "none.pt")]
            command += ["--threads", str(torch.get_num_threads()), "--repeat", str(repeat)]
            environment = {**os.environ, "PYTHONPATH": checkout}
            done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=True)
        row = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
        return json.loads(row.removeprefix("RESULT "))

    if name.startswith(("s1_", "s2_")):
        return measured
    raise AttributeError(name)
