"""Measures functions of `benchmarks.measured`, alone or in pairs with another implementation, each in its own process.

The other implementation is a Python file with functions of the same names that take (inputs, repeat) and return at
least "seconds" and "cpu_seconds" of each time. If it has `weights(task)`, which returns state dicts ("gpt"; "generator"
and "discriminator") of its seeded random models, ours get the same, and answers are compared. The two take turns, so
that a busy machine is busy for both; ratios are of medians.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

Pair = tuple[str, str]
"""A function of ours, and the function of the other implementation that it is compared with."""


def main(description: str, pairs: Sequence[Pair], argv: Sequence[str] | None = None) -> None:
    """The command line of a benchmark."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, metavar="MODULE.py", help="another implementation to pair")
    parser.add_argument("--only", help="names of our functions, with commas")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeat", type=int, default=2, help="times that each process repeats a task")
    parser.add_argument("--rounds", type=int, default=2, help="turns that each implementation has")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        name, weights = options.child
        _child(name, options, weights)
        return
    print(f"{options.threads} threads, load average {os.getloadavg()[0]:.1f}")
    chosen = options.only.split(",") if options.only else [ours for ours, _ in pairs]
    figures = {}
    for ours, theirs in pairs:
        if ours in chosen:
            figures[ours] = _pair(ours, theirs, options)
            print(_row(ours, figures[ours]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


def _pair(ours: str, theirs: str, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        weights = str(Path(folder) / "weights.pt")
        results: dict[str, list[dict[str, Any]]] = {}
        for _ in range(options.rounds):
            if options.against:
                results.setdefault("theirs", []).append(_run(theirs, weights, options, against=True))
            results.setdefault("ours", []).append(_run(ours, weights, options, against=False))
    return {who: _joined(runs) for who, runs in results.items()}


def _run(name: str, weights: str, options: argparse.Namespace, *, against: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.pairs", "--child", name, weights]
    command += ["--threads", str(options.threads), "--repeat", str(options.repeat)]
    command += ["--against", str(options.against.resolve())] if against else []
    done = subprocess.run(command, capture_output=True, text=True)
    rows = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not rows:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(rows[-1].removeprefix("RESULT "))


def _child(name: str, options: argparse.Namespace, weights: str) -> None:
    import torch

    from benchmarks import measured

    torch.set_num_threads(options.threads)
    given, path = measured.inputs(name), Path(weights)
    with contextlib.redirect_stdout(io.StringIO()):
        if options.against:
            module = _load(options.against)
            if hasattr(module, "weights") and not path.exists():
                torch.save(module.weights(name), path)
            result = getattr(module, name)(given, options.repeat)
        else:
            loaded = torch.load(path, weights_only=True) if path.exists() else None
            result = getattr(measured, name)(given, options.repeat, loaded)
    result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("RESULT " + json.dumps(result), flush=True)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("against", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _joined(runs: list[dict[str, Any]]) -> dict[str, Any]:
    joined = dict(runs[-1])
    if "unavailable" in joined:
        return joined
    for key in ("seconds", "cpu_seconds"):
        joined[key] = [seconds for run in runs for seconds in run[key]]
    joined["peak_mib"] = max(run["peak_mib"] for run in runs)
    return joined


def _row(name: str, figures: dict[str, dict[str, Any]]) -> str:
    parts = [f"{name:20s}"]
    if why := figures["ours"].get("unavailable"):
        return f"{parts[0]}, not measured: {why}"
    for who, one in figures.items():
        wall, cpu = median(one["seconds"]), median(one["cpu_seconds"])
        parts.append(f"{who} {wall:6.2f} s ({cpu:6.2f} CPU s), {one['peak_mib']:5.0f} MiB")
        if "tokens" in one:
            parts.append(f"{one['tokens'] / wall:.0f} tokens/s")
        if "audio_s" in one:
            parts.append(f"RTF {wall / one['audio_s']:.3f}")
        if "loss" in one:
            parts.append(f"loss {one['loss']:.2f}")
    if "theirs" in figures:
        ours, theirs = figures["ours"], figures["theirs"]
        # More lines at once are compared by tokens a second.
        work = ours.get("tokens", 1) / theirs.get("tokens", 1)
        wall, cpu = (work * median(theirs[key]) / median(ours[key]) for key in ("seconds", "cpu_seconds"))
        parts.append(f"{wall:.2f} times as fast (CPU {cpu:.2f})")
        if "sketch" in ours and "sketch" in theirs:
            differences = [abs(a - b) for a, b in zip(ours["sketch"], theirs["sketch"], strict=True)]
            parts.append(f"sounds differ by {max(differences):.1e} of {max(map(abs, theirs['sketch'])):.1e} at most")
        if "answer" in ours and "answer" in theirs:
            equal = [a == b for a, b in zip(ours["answer"], theirs["answer"], strict=False)]
            parts.append(f"{sum(equal)} of {len(equal)} tokens equal")
    return ", ".join(parts)


if __name__ == "__main__":
    main("a process of a benchmark", [])
