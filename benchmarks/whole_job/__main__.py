"""Where a whole clone spends its time and memory, stage by stage, on this machine.

    python -m benchmarks.whole_job SOURCE... --out DIR [--whisper DIR | --models DIR] [-p KEY=VALUE ...]

Without --models a models folder is made: SoVITS v2, its discriminator, the token model and HuBERT in full size with
seeded weights, a separator that is a toy, and the Whisper that is given. Such a voice babbles, and its lines end at
their length limit, which costs more than speech does. Recordings of all SOURCE are taken as one speaker's.

Printed are, of each stage: seconds from its start to its end, CPU seconds of its process and its children, CPU seconds
of these that imports took, most memory, bytes read and written (files and pipes, from the page cache too, not what is
mapped), and the size of its outputs. "waiting" is by how much the seconds exceed the CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicemill.models import record
from voicemill.models.layout import place

WATCHED = Path(__file__).parent / "watched"
USAGE = "usage.jsonl"
SUFFIXES = (".flac", ".m4a", ".mp3", ".ogg", ".wav")
SUMMED = ("seconds", "cpu", "imports", "read", "written", "outputs")
MIB = 2**20


def make_models(folder: Path, whisper: Path | None) -> None:
    """Write a models folder whose voice models have full size."""
    import torch
    from transformers import HubertConfig, HubertModel

    from voicemill.gpt_sovits.formats import checkpoints
    from voicemill.gpt_sovits.formats.checkpoints import SovitsCheckpoint
    from voicemill.gpt_sovits.gpt.config import GptConfig
    from voicemill.gpt_sovits.gpt.model import Gpt
    from voicemill.gpt_sovits.sovits.config import SovitsConfig
    from voicemill.gpt_sovits.sovits.discriminator import Discriminator
    from voicemill.gpt_sovits.sovits.model import Generator
    from voicemill.models.toy import MARK, make_all
    from voicemill.models.toy.sovits import configuration, spread_codes

    toys = folder.with_name(f"{folder.name}-toys")
    make_all(toys)
    # Without the toys' record: it has the digests of what is replaced here.
    shutil.copytree(toys, folder, ignore=shutil.ignore_patterns(record.NAME, MARK))
    torch.manual_seed(3)
    config, sizes = SovitsConfig(), GptConfig()
    hps = configuration("v2") | {"model": config.as_dict()}
    generator = Generator(config)
    spread_codes(generator)
    acoustic = SovitsCheckpoint(config, generator.state_dict(), "seeded", hps)
    checkpoints.export_sovits(folder / place("sovits-g"), acoustic, as_base=True)
    checkpoints.export_discriminator(
        folder / place("sovits-d"), Discriminator(config.discriminator_periods).state_dict(), hps
    )
    token = {f"model.{key}": value.half() for key, value in Gpt(sizes).state_dict().items()}
    torch.save({"weight": token, "config": sizes.to_dict(), "info": "GPT-e0"}, folder / place("gpt"))
    shutil.rmtree(folder / place("hubert"))
    HubertModel(HubertConfig()).half().save_pretrained(folder / place("hubert"))
    if whisper:
        shutil.rmtree(folder / place("whisper"))
        shutil.copytree(whisper, folder / place("whisper"))


def run(arguments: argparse.Namespace, models: Path) -> Path:
    """Run clone-voice in `--out`; returns the run's folder."""
    source, folder = arguments.out / "source", arguments.out / "run"
    for number, place_ in enumerate(arguments.source):
        (source / str(number)).mkdir(parents=True, exist_ok=True)
        for file in sorted(path for path in place_.iterdir() if path.suffix in SUFFIXES):
            shutil.copyfile(file, source / str(number) / file.name)
    given = {"speaker": "whole", "source": str(source), "models": str(models), "version": "v2", "language": "en"}
    given |= {"sovits-epochs": "1", "gpt-epochs": "1"} | dict(pair.split("=", 1) for pair in arguments.parameter)
    command = [sys.executable, "-m", "voicemill", "run", "clone-voice", "--out", str(folder)]
    command += [word for name, value in given.items() for word in ("-p", f"{name}={value}")]
    paths = os.pathsep.join(filter(None, [str(WATCHED), os.environ.get("PYTHONPATH", "")]))
    usage = str((arguments.out / USAGE).resolve())
    subprocess.run(command, check=True, env={**os.environ, "WHOLE_JOB_USAGE": usage, "PYTHONPATH": paths})
    return folder


@dataclass(frozen=True)
class Row:
    """What a stage took: seconds, CPU seconds, those of imports, MiB of memory, and MiB read, written and kept."""

    stage: str
    seconds: float
    cpu: float
    imports: float
    memory: float
    read: float
    written: float
    outputs: float

    @property
    def waiting(self) -> float:
        return max(0.0, self.seconds - self.cpu)


def rows(folder: Path, usage: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return what each stage of a run took, in the order in which they ended.

    Args:
        folder: The run's folder.
        usage: What its processes wrote, one of each stage.
    """
    took = {module(line["command"]): line for line in usage}
    found = []
    for text in (folder / "run.jsonl").read_text().splitlines():
        event = json.loads(text)
        name = event.get("template", "")
        line = took.get(f"voicemill.stages.{name.replace('-', '_')}")
        if event["event"] != "task" or event.get("phase") != "Succeeded" or line is None:
            continue
        outputs = sum(path.stat().st_size for path in (folder / event["task"]).rglob("*") if path.is_file())
        moved = (line["read"], line["written"], outputs)
        found.append(
            Row(name, event["seconds"], line["cpu"], line["imports"], line["memory"], *(size / MIB for size in moved))
        )
    return found


def module(command: Sequence[str]) -> str:
    """Return the module that `python -m` ran, or an empty text."""
    return command[command.index("-m") + 1] if "-m" in command[:-1] else ""


def report(found: Sequence[Row]) -> None:
    """Print a table with a row for each stage and one for all."""
    print("| stage | seconds | CPU s | of these imports | waiting, s | memory, MiB | read, written, kept, MiB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    together = {name: sum(getattr(row, name) for row in found) for name in SUMMED}
    whole = Row(stage="all", memory=max(row.memory for row in found), **together)
    for row in (*found, whole):
        moved = f"{row.read:.0f}, {row.written:.0f}, {row.outputs:.0f}"
        cells = (
            f"{row.seconds:.1f} | {row.cpu:.1f} | {row.imports:.1f} | {row.waiting:.1f} | {row.memory:.0f} | {moved}"
        )
        print(f"| {row.stage} | {cells} |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.whole_job", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--whisper", type=Path)
    parser.add_argument("--parameter", "-p", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    models = arguments.models or arguments.out / "models"
    if not models.is_dir():
        make_models(models, arguments.whisper)
    folder = run(arguments, models)
    report(rows(folder, [json.loads(line) for line in (arguments.out / USAGE).read_text().splitlines()]))


if __name__ == "__main__":
    main()
