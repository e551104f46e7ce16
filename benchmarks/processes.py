"""How speaking scales with processes: the same lines by one stage `synthesize`, by two at once, and so on.

    python -m benchmarks.processes VOICE [--models MODELS] [--processes 1 2] [--lines 40] [--precision auto]

VOICE is a voice of weights or of ONNX graphs. Each process has one thread and its share of the lines. Printed are
seconds of speech for a second of the clock and for a second of the processor, start and loading included, and the most
memory of a process. The figures say something only where nothing else computes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from voicemill.evaluation.sentences import sentences
from voicemill.voice.manifest import read_voice


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processes", description=__doc__)
    parser.add_argument("voice", type=Path)
    parser.add_argument("--models", default="")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--lines", type=int, default=40)
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    lines = list(sentences(read_voice(arguments.voice).language)[: arguments.lines])
    print("| processes | speech, s | for a second of the clock | for a second of the processor | memory, MiB |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for count in arguments.processes:
        with tempfile.TemporaryDirectory(prefix="voicemill-processes-") as work:
            print(row(arguments, lines, count, Path(work)), flush=True)


def row(arguments: argparse.Namespace, lines: list[str], count: int, work: Path) -> str:
    """Let so many processes speak the lines."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    began, running = time.monotonic(), []
    for number in range(count):
        command = [sys.executable, "-m", "voicemill.stages.synthesize", "--voice", str(arguments.voice)]
        command += ["--speech", str(work / f"speech{number}"), "--text", "\n".join(lines[number::count])]
        command += ["--models", arguments.models or str(work), "--precision", arguments.precision, "--verify", "off"]
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
    cpu, memory = 0.0, 0.0
    for process in running:
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"synthesize ended with {status}")
        cpu += usage.ru_utime + usage.ru_stime
        memory = max(memory, usage.ru_maxrss / 1024)
    took = time.monotonic() - began
    manifests = [(work / f"speech{number}" / "manifest.jsonl").read_text() for number in range(count)]
    spoken = sum(json.loads(line)["seconds"] for text in manifests for line in text.splitlines())
    return f"| {count} | {spoken:.1f} | {spoken / took:.2f} | {spoken / cpu:.2f} | {memory:.0f} |"


if __name__ == "__main__":
    main()
