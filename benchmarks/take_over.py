"""How long a stage holds its GPU only to find out that an earlier run did its work: the whole process, and its parts.

    python -m benchmarks.take_over OUT

`separate` on the demo speaker with nothing to separate, once computed and five times taken over, against an S3 server
in a process of its own; beside it the start of Python with the stage's own imports, which any step that only looked
would need as well.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import soundfile

from benchmarks.reuse import BUCKET, DEMO
from voicemill.contract.template import KEYS, NAMESPACE, REUSE_MODE
from voicemill.models import toy
from voicemill.storage import open_store, s3

TIMES = 5
SERVER = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"


def timed(command: list[str], **more: str) -> tuple[float, float, str]:
    """Run a command; gives its seconds, its processor seconds and what it prints."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, check=True, env={**os.environ, **more}, stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, spent, done.stdout


def separate(out: Path, run: str) -> tuple[float, float, str]:
    """Run the stage as a pod of the run does, and store what it made as Argo stores it."""
    folder, keys = out / run, f"voices/demo/{run}"
    given = ["--audio", str(out / "audio"), "--models", str(out / "toy"), "--when", "never"]
    command = [sys.executable, "-m", "voicemill.stages.separate", *given]
    told = {REUSE_MODE: "auto", KEYS: keys, NAMESPACE: "voices"}
    seconds, spent, said = timed([*command, "--vocals", str(folder / "vocals")], **told)
    store = open_store(f"s3://{BUCKET}/{keys}/separate/vocals")
    for path in (folder / "vocals").rglob("*"):
        if path.is_file():
            store.upload(path, path.relative_to(folder / "vocals").as_posix())
    return seconds, spent, json.loads(said.splitlines()[-1]).get("reused_from", "")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.take_over", description=__doc__)
    parser.add_argument("out", type=Path, help="an empty folder")
    parser.add_argument("--port", type=int, default=15123)
    asked = parser.parse_args()
    out = asked.out.resolve()
    toy.make_all(out / "toy")
    (out / "audio").mkdir()
    for file in DEMO.glob("*.ogg"):
        soundfile.write(out / "audio" / f"{file.stem}.wav", *soundfile.read(file))
    credentials = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    os.environ |= {"S3_ENDPOINT": f"http://127.0.0.1:{asked.port}", "S3_BUCKET": BUCKET, **credentials}
    server = subprocess.Popen([sys.executable, "-c", SERVER.format(port=asked.port)], stderr=subprocess.DEVNULL)
    try:
        client = s3.client()
        client.create_bucket(Bucket=BUCKET)  # pyright: ignore[reportAttributeAccessIssue]
        seconds, spent, _ = separate(out, "first")
        print(f"computed: {seconds:.1f} s, {spent:.1f} s of processor", flush=True)
        again = [separate(out, f"again-{number}") for number in range(TIMES)]
        assert all(taken_from for _, _, taken_from in again), "it was computed again"
        imports = [timed([sys.executable, "-c", "import voicemill.stages.separate"]) for _ in range(TIMES)]
    finally:
        server.terminate()
        server.wait(20)
    for title, found in (("taken over", again), ("its imports", imports)):
        low, middle, high = (pick([each[0] for each in found]) for pick in (min, statistics.median, max))
        spent = statistics.median(each[1] for each in found)
        print(f"{title}: {middle:.1f} s ({low:.1f} to {high:.1f}), {spent:.1f} s of processor", flush=True)


if __name__ == "__main__":
    main()
