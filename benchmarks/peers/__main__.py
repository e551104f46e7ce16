"""How fast voicemill speaks beside other implementations of GPT-SoVITS: same weights, same inputs, in turns.

    python -m benchmarks.peers [--with genie,upstream] [--variants fp32,int8] [--rounds 3] [--threads 2] [--venvs DIR]

Full-size v2 models with seeded random weights are written as GPT-SoVITS writes them, and each implementation loads
these files. `tokens` is reading a line (100 phones, HuBERT's features of a prompt of 6 s) and 200 tokens of it; `sound`
is 8 s of sound of 200 tokens, with the reference's spectrogram; `line` is both. Every round asks each in turn, so that
a busy machine is busy for all. Printed are seconds and CPU seconds as min-median-max, and how many times as fast as the
peer voicemill is, of the medians.

Peers: `genie` (Genie-TTS) and `cpufast` (GPT-SoVITS-CPUFast) are installed from the package registry into virtual
environments of their own below DIR, where they stay; cpufast runs on the torch of this program. `upstream` is a
checkout of GPT-SoVITS, or of a fork that kept its modules, named by $GSV_UPSTREAM; it runs in the environment of this
program, which must have what it imports (torchmetrics).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from benchmarks.peers import genie, upstream
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.formats.checkpoints import GptCheckpoint, SovitsCheckpoint
from voicemill.gpt_sovits.gpt.config import GptConfig
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.sovits.config import SovitsConfig
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.models.toy.sovits import configuration, spread_codes

HERE = Path(__file__).parent
TASKS = ("tokens", "sound")
RATE = 32_000


@dataclass
class Peer:
    """An implementation that runs in a process of its own."""

    name: str
    process: subprocess.Popen[str]
    took: dict[str, list[dict[str, Any]]]

    def ask(self, task: str) -> dict[str, Any]:
        """Let it do a task once."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{task}\n")
        self.process.stdin.flush()
        return json.loads(self._answer(self.process.stdout))

    def _answer(self, answers: IO[str]) -> str:
        line = answers.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}; what it said stands above")
        return line

    def wait(self) -> None:
        """Wait until it has loaded."""
        assert self.process.stdout
        self._answer(self.process.stdout)


def write_weights(folder: Path) -> None:
    """Write seeded weights of full size as GPT-SoVITS's files, the inputs beside them."""
    torch.manual_seed(7)
    config, sizes = SovitsConfig(), GptConfig()
    generator, token = Generator(config), Gpt(sizes)
    spread_codes(generator)
    token.ar_predict_layer.weight.data[sizes.eos] = 0
    hps = configuration("v2") | {"model": config.as_dict()}
    checkpoints.export_sovits(folder / "sovits.pth", SovitsCheckpoint(config, generator.state_dict(), "seeded", hps))
    checkpoints.export_gpt(folder / "gpt.ckpt", GptCheckpoint(sizes.to_dict(), token.state_dict(), "seeded"))
    rng = np.random.default_rng(20240)
    np.savez(
        folder / "inputs.npz",
        ref_phones=rng.integers(1, 700, 30),
        phones=rng.integers(1, 700, 70),
        ref_bert=np.zeros((30, 1024), np.float32),
        bert=np.zeros((70, 1024), np.float32),
        ssl=rng.normal(0, 0.3, (1, 768, 300)).astype(np.float32),
        audio=rng.normal(0, 0.05, 6 * RATE).astype(np.float32),
        tokens=rng.integers(0, 1024, 200),
        count=200,
    )


def installed(venvs: Path, name: str, requirements: tuple[str, ...]) -> tuple[Path, Path]:
    """Return Python and site-packages of a peer's environment, which is made if it is not there."""
    folder = venvs / name
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *requirements], check=True)
        (folder / "ready").touch()
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return python, Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())


def start(stack: ExitStack, name: str, python: Path, module: str, folder: Path, threads: int, variant: str) -> Peer:
    """Start an implementation, which loads while others do."""
    command = [python, HERE / "child.py", HERE / module, folder, str(threads), variant]
    # Ours find the package there, a fork its own helpers.
    paths = {"ours.py": str(HERE.parents[1]), "upstream.py": variant}
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": paths.get(module, "")}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=False
    )
    stack.callback(process.kill)
    return Peer(name, process, {task: [] for task in TASKS})


def cell(values: list[float]) -> str:
    """Return min-median-max."""
    return f"{min(values):.2f}-{statistics.median(values):.2f}-{max(values):.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--with", dest="peers", default="genie", help="peers, with commas: genie, cpufast, upstream")
    parser.add_argument("--variants", default="fp32,int8", help="ours: fp32, bf16, int8, onnx-fp32, onnx-int8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--venvs", type=Path, default=Path.home() / ".cache" / "voicemill" / "peers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voicemill-peers-") as place, ExitStack() as stack:
        folder = Path(place)
        write_weights(folder)
        given = (folder, options.threads)
        wanted = [("voicemill " + variant, Path(sys.executable), "ours.py", variant) for variant in variants(options)]
        if "genie" in options.peers.split(","):
            python, packages = installed(options.venvs, "genie", genie.REQUIREMENTS)
            genie.prepare(folder, packages)
            wanted.append(("Genie-TTS 2.0.2", python, "genie.py", "fp32"))
        if "cpufast" in options.peers.split(","):
            _, packages = installed(options.venvs, "cpufast", upstream.REQUIREMENTS)
            wanted.append(("CPUFast 0.1.0", Path(sys.executable), "upstream.py", str(packages)))
        if "upstream" in options.peers.split(","):
            checkout = os.environ.get("GSV_UPSTREAM", "")
            if not Path(checkout, "GPT_SoVITS").is_dir():
                raise SystemExit("set GSV_UPSTREAM to a checkout of GPT-SoVITS")
            wanted.append((f"upstream ({Path(checkout).name})", Path(sys.executable), "upstream.py", checkout))
        peers = [start(stack, name, python, module, *given, variant) for name, python, module, variant in wanted]
        for peer in peers:
            peer.wait()
            for task in TASKS:
                peer.ask(task)
        for _ in range(options.rounds):
            for task in TASKS:
                for peer in peers:
                    peer.took[task].append(peer.ask(task))
        report(peers, options)


def variants(options: argparse.Namespace) -> list[str]:
    """Return ours that take part."""
    return [variant for variant in options.variants.split(",") if variant]


def report(peers: list[Peer], options: argparse.Namespace) -> None:
    """Print a table for each task, and the ratios."""
    seconds: dict[tuple[str, str], list[float]] = {}
    print(f"v2, {options.threads} threads, {options.rounds} rounds, load average {os.getloadavg()[0]:.1f}\n")
    print("| implementation | task | seconds | CPU seconds | made | most memory, MiB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for peer in peers:
        for task, took in peer.took.items():
            seconds[peer.name, task] = [each["cpu"] for each in took]
            wall = cell([each["seconds"] for each in took])
            made, memory = took[-1]["made"], took[-1]["memory"]
            print(f"| {peer.name} | {task} | {wall} | {cell(seconds[peer.name, task])} | {made} | {memory:.0f} |")
        seconds[peer.name, "line"] = [
            sum(each) for each in zip(*(seconds[peer.name, task] for task in TASKS), strict=True)
        ]
    print("\n| CPU seconds of the peer for one of voicemill's | tokens | sound | line |")
    print("| --- | --- | --- | --- |")
    for ours in (peer.name for peer in peers if peer.name.startswith("voicemill")):
        for theirs in (peer.name for peer in peers if not peer.name.startswith("voicemill")):
            cells = [
                cell([b / a for a, b in zip(seconds[ours, task], seconds[theirs, task], strict=True)])
                for task in (*TASKS, "line")
            ]
            print(f"| {theirs} to {ours} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
