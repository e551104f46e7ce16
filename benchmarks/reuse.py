"""What a second run of a speaker costs on a cluster: another text, and another number of epochs.

    python -m benchmarks.reuse OUT

clone-voice on twenty seconds of the demo speaker with the small base, by the embedded engine, against an S3 server in
this process: each stage is told the run's keys as its pod is, and what a run has made is stored as Argo stores it.
What differs between the runs is what the stages take over.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import soundfile
from moto.server import ThreadedMotoServer

from voicemill.contract.template import KEYS, NAMESPACE, REUSE_MODE
from voicemill.storage import open_store, s3

DEMO = Path(__file__).resolve().parents[1] / "examples" / "demo_speaker"
BUCKET = "voices"
FEW = (
    "{train-sovits: {save-every: 1, min-clips-per-epoch: 8}, train-gpt: {save-every: 1, min-clips-per-epoch: 8},"
    " evaluate: {lines: 1}}"
)
RUNS = {
    "one": {"text": "Good morning.", "gpt-epochs": "1"},
    "two": {"text": "Welcome to the mill.", "gpt-epochs": "1"},
    "three": {"text": "Welcome.", "gpt-epochs": "2"},
}


def prepare(out: Path) -> dict[str, str]:
    """Make the recordings and the models, and return the parameters that all runs share."""
    source, models = out / "recordings", out / "small"
    source.mkdir(parents=True, exist_ok=True)
    for name in ("01_river_walk", "04_winter"):
        samples, rate = soundfile.read(DEMO / f"{name}.ogg")
        soundfile.write(source / f"{name}.flac", samples[: 10 * rate], rate)
    if not models.exists():
        subprocess.run([sys.executable, "-m", "voicemill", "models", "small", str(models)], check=True)
    of_all = {"speaker": "demo", "source": str(source), "models": str(models), "min-minutes": "0.3", "seed": "7"}
    return {**of_all, "sovits-epochs": "2", "config": FEW}


def run(name: str, parameters: dict[str, str], out: Path) -> float:
    """Run the workflow as the run `name`, store what it made, and return its seconds."""
    folder, keys = out / name, f"voices/demo/{name}"
    given = [part for key, value in parameters.items() for part in ("-p", f"{key}={value}")]
    command = [sys.executable, "-m", "voicemill", "run", "clone-voice", *given, "--out", str(folder)]
    told = {REUSE_MODE: "auto", KEYS: keys, NAMESPACE: "voices", "OMP_NUM_THREADS": "1"}
    began = time.monotonic()
    subprocess.run(
        command, check=True, env={**os.environ, **told}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    seconds = time.monotonic() - began
    store = open_store(f"s3://{BUCKET}")
    for path in folder.glob("*/*/**/*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith(".") for part in parts[:2]):
            store.upload(path, f"{keys}/{'/'.join(parts)}")
    return seconds


def stages(folder: Path) -> dict[str, tuple[float, str]]:
    """Return each stage's seconds, and the run that it took its outputs over from."""
    found: dict[str, tuple[float, str]] = {}
    for marker in sorted(folder.glob("*/_SUCCESS.json")):
        record = json.loads(marker.read_text())
        summary = json.loads(record["parameters"]["summary"])
        found[marker.parent.name] = (record["finished"] - record["started"], summary.get("reused_from", ""))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reuse", description=__doc__)
    parser.add_argument("out", type=Path, help="an empty folder")
    out = parser.parse_args().out.resolve()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    credentials = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    os.environ |= {"S3_ENDPOINT": f"http://{host}:{port}", "S3_BUCKET": BUCKET, **credentials}
    client = s3.client()
    client.create_bucket(Bucket=BUCKET)  # pyright: ignore[reportAttributeAccessIssue]
    shared = prepare(out)
    for name, own in RUNS.items():
        seconds = run(name, {**shared, **own}, out)
        print(f"\n{name}: {own}: {seconds:.0f} s", flush=True)
        for stage, (took, taken_from) in stages(out / name).items():
            print(f"{stage:18} {took:6.1f} s{f'  from the run {taken_from}' if taken_from else ''}", flush=True)
    server.stop()


if __name__ == "__main__":
    main()
