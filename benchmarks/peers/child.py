"""Runs one implementation in its own environment: a task for each line on standard input, an answer for each in JSON.

    python child.py MODULE.py FOLDER THREADS VARIANT

MODULE has `load(folder, given, threads, variant)`, which returns functions by the names of the tasks. Nothing of
voicemill is imported here: a peer's environment does not have it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np


def main() -> None:
    """Answer until standard input ends."""
    module, folder, threads, variant = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    spec = importlib.util.spec_from_file_location("peer", module)
    assert spec and spec.loader
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    with np.load(folder / "inputs.npz") as given:
        tasks = peer.load(folder, dict(given), threads, variant)
    answers.write(json.dumps(sorted(tasks)) + "\n")
    answers.flush()
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        made = tasks[line.strip()]()
        took = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "made": made}
        took["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answers.write(json.dumps(took) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
