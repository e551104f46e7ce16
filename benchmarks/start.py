"""How long `voicemill serve` takes until it answers: CPU seconds, seconds and memory of fresh processes.

    OMP_NUM_THREADS=1 python -m benchmarks.start VOICE [--models MODELS] [--rounds 5]

CPU seconds are those of the process when /readyz first answers. Each round is a process of its own; printed are the
rounds and their medians.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

PAUSE_SECONDS = 0.02


class Start(NamedTuple):
    """How a process started."""

    cpu_seconds: float
    seconds: float
    megabytes: float


def main() -> None:
    """Print the rounds and their medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("voice")
    parser.add_argument("--models", default="models")
    parser.add_argument("--rounds", type=int, default=5, help="processes of which the median is taken")
    arguments = parser.parse_args()
    starts = [start(arguments.voice, arguments.models) for _ in range(arguments.rounds)]
    for each in [*starts, Start(*(statistics.median(values) for values in zip(*starts, strict=True)))]:
        print(f"{each.cpu_seconds:6.2f} CPU s {each.seconds:6.2f} s {each.megabytes:6.0f} MiB")
    print("the last row has the medians")


def start(voice: str, models: str) -> Start:
    """Serve a voice on the loopback until it answers.

    Raises:
        RuntimeError: It ended before.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "voicemill", "serve", voice, "--models", models, "--port", str(port)]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if process.poll() is not None:
                raise RuntimeError(f"voicemill serve ended with {process.returncode}")
            time.sleep(PAUSE_SECONDS)
        return Start(_cpu_seconds(process.pid), time.monotonic() - began, _megabytes(process.pid))
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int) -> float:
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("VmRSS:")) / 1024


if __name__ == "__main__":
    main()
