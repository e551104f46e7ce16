"""Planning and gathering of a long script: python -m benchmarks.bulk [--lines 100000] [--voices 1,10]

Everything is as in a run but for the speaking: ledgers are written as synthesize writes them. Each stage is a process
of its own, whose wall time, processor time and peak memory are printed; the imports of Python are in all of them.
Then the status that a workflow with so many shards would have, from the generated object: two nodes a shard (its try
and what holds its tries), each with all inputs and outputs; as it is, and packed by gzip and base64 as Argo packs it.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from voicemill.synthesis.bulk import read_plan
from voicemill.synthesis.bulk.planning import MOST_SHARDS
from voicemill.voice.manifest import Part, ReferenceClip, Voice

GENERATED = Path(__file__).parents[1] / "charts" / "voicemill" / "workflows" / "synthesize_bulk.yaml"
TEXT = "The quick boat sailed past the old lighthouse before noon, and she asked about her breakfast {}."


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--voices", default="1,10")
    given = parser.parse_args()
    print("| lines | voices | shards | stage | seconds | processor | peak memory | output |")
    print("| ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |")
    for voices in map(int, given.voices.split(",")):
        with tempfile.TemporaryDirectory(prefix="voicemill-bulk-") as folder:
            measure(Path(folder), given.lines, voices)
    print("\n| shards | status | packed |\n| ---: | ---: | ---: |")
    for shards in (200, MOST_SHARDS):
        plain, packed = status(shards)
        print(f"| {shards} | {plain / 1e6:.1f} MB | {packed / 1e6:.2f} MB |")


def measure(folder: Path, lines: int, voices: int) -> None:
    places = [write_voice(folder / f"speaker{number}") for number in range(voices)]
    with (folder / "script.jsonl").open("w") as script:
        for number in range(lines):
            script.write(json.dumps({"text": TEXT.format(number), "seed": number}) + "\n")
    plan, ledgers, manifest = folder / "plan", folder / "ledgers", folder / "manifest.jsonl"
    planning = ["plan_script", "--plan", plan, "--script", folder / "script.jsonl", "--voices", ",".join(places)]
    planned = run(planning)
    shards = write_ledgers(plan, ledgers)
    gathered = run(
        ["collect_speech", "--plan", plan, "--ledgers", ledgers, "--manifest", manifest, "--place", "{shard}"]
    )
    with manifest.open() as rows:
        assert sum(1 for _ in rows) == lines * voices
    plan_bytes = sum(path.stat().st_size for path in plan.iterdir())
    for stage, said, size in (
        ("plan-script", planned, plan_bytes),
        ("collect-speech", gathered, manifest.stat().st_size),
    ):
        print(f"| {lines} | {voices} | {shards} | {stage} | {said} | {size / 1e6:.0f} MB |", flush=True)


def run(arguments: list[object]) -> str:
    """Run a stage; gives seconds, seconds of the processor and peak memory."""
    stage, *options = map(str, arguments)
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", f"voicemill.stages.{stage}", *options], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"{stage} ended with {status}"
    assert isinstance(usage, resource.struct_rusage)
    processor = usage.ru_utime + usage.ru_stime
    return f"{time.monotonic() - begun:.1f} | {processor:.1f} | {usage.ru_maxrss / 1024:.0f} MiB"


def write_voice(folder: Path) -> str:
    """Return a voice.json, which is all that planning reads of a voice."""
    folder.mkdir()
    part = Part("sovits.safetensors", "0" * 64, "")
    Voice(folder.name, "v2", "en", 32_000, part, part, ReferenceClip("r.wav", "0" * 64, "Hello.", "en", 4.0)).write(
        folder
    )
    return str(folder)


def write_ledgers(plan: Path, ledgers: Path) -> int:
    """Return the shards' ledgers, of which every hundredth line is dropped; gives the number of shards."""
    ledgers.mkdir()
    shards = read_plan(plan).shards
    for shard in shards:
        with (plan / f"{shard.shard}.jsonl").open() as lines, (ledgers / f"{shard.shard}.jsonl").open("w") as ledger:
            for line in map(json.loads, lines):
                entry = {"stage": "synthesize", "item": f"{line['line']:06d}"}
                if line["line"] % 100:
                    said = {"language": "en", "speed": 1.0, "seed": line["seed"], "voice": shard.speaker}
                    kept = {"outcome": "kept", "file": f"{entry['item']}.wav", "seconds": 3.2, "cut_off": 0}
                    entry |= {**kept, **said}
                else:
                    entry |= {"outcome": "dropped", "reason": "there is nothing to say in it"}
                ledger.write(json.dumps(entry) + "\n")
    return len(shards)


def status(shards: int) -> tuple[int, int]:
    """Return the bytes of the nodes of a run's shards, and packed."""
    spec = yaml.safe_load(GENERATED.read_text())["spec"]
    template = next(each for each in spec["templates"] if each["name"] == "synthesize")
    rng = random.Random(1)
    nodes: dict[str, object] = {}
    for number in range(shards):
        item = {"shard": f"{number:05d}", "speaker": "anna", "voice-at": "anna@0123456789abcdef"}
        inputs = [
            {**each, "value": item.get(each["name"], each.get("default", ""))}
            for each in template["inputs"]["parameters"]
        ]
        summary = {"in": 500, "kept": rng.randrange(500), "seconds": rng.random() * 3000, "polyphones": "pypinyin"}
        values = {"summary": json.dumps(summary), "kept": summary["kept"], "seconds": summary["seconds"]}
        outputs = [{**each, "value": values[each["name"]]} for each in template["outputs"]["parameters"]]
        name = f"synthesize-bulk-abcde.synthesize({number}:{','.join(f'{key}:{value}' for key, value in item.items())})"
        for kind, suffix in (("Retry", ""), ("Pod", "(0)")):
            identity = f"synthesize-bulk-abcde-{rng.randrange(10**10)}"
            nodes[identity] = {
                "id": identity,
                "name": name + suffix,
                "displayName": name.partition(".")[2] + suffix,
                "type": kind,
                "templateName": "synthesize",
                "templateScope": "local/synthesize-bulk",
                "phase": "Succeeded",
                "boundaryID": "synthesize-bulk-abcde",
                "startedAt": f"2026-01-01T{number % 24:02}:{rng.randrange(60):02}:00Z",
                "finishedAt": f"2026-01-02T{number % 24:02}:{rng.randrange(60):02}:00Z",
                "progress": "8/8",
                "resourcesDuration": {"cpu": rng.randrange(10**4), "memory": rng.randrange(10**5)},
                "inputs": {"parameters": inputs, "artifacts": template["inputs"]["artifacts"]},
                "outputs": {"parameters": outputs, "artifacts": template["outputs"]["artifacts"], "exitCode": "0"},
                "hostNodeName": f"gpu-node-{rng.randrange(200)}",
                "children": [f"synthesize-bulk-abcde-{rng.randrange(10**10)}"],
            }
    plain = json.dumps(nodes).encode()
    return len(plain), len(base64.b64encode(gzip.compress(plain)))


if __name__ == "__main__":
    main()
