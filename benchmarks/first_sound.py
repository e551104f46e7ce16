"""How soon `voicemill say` is heard, from the start of its process: with and without what a voice carries.

    python -m benchmarks.first_sound [--version v2] [--rounds 3] [--against CHECKOUT]

Full-size models with seeded random weights, HuBERT and speaker encoder too, in a temporary folder; the voice's
reference lasts 5 s and it says one English sentence. Each round starts in turn: with CHECKOUT, a checkout of an earlier
commit, that one; a voice without `references.safetensors`; the same voice with it. Printed are the seconds to the first
sound, CPU seconds, and the most memory, each as min-median-max, and the medians as ratios to the last.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch

from voicemill.audio.reading import write_wav
from voicemill.core.digests import file_digest
from voicemill.gpt_sovits.features.pretrained import quiet
from voicemill.gpt_sovits.features.speaker_encoder import SpeakerEncoder
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.formats.checkpoints import GptCheckpoint, SovitsCheckpoint
from voicemill.gpt_sovits.gpt.config import GptConfig
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.sovits.config import SovitsConfig, Version
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.models.layout import place
from voicemill.synthesis.load import Pretrained
from voicemill.synthesis.reference_features import add_to_voice
from voicemill.text import BY_DICTIONARIES
from voicemill.voice import reference_features
from voicemill.voice.manifest import Part, ReferenceClip, Voice

TEXT = "The river was high that morning, and nobody wanted to be the first to cross it."
RATE = 32_000
PLAYER = """#!{python}
import sys, time
sys.stdin.buffer.read(1)
open({file!r}, "w").write(str(time.time()))
while sys.stdin.buffer.read(1 << 16):
    pass
"""


@dataclass(frozen=True)
class Start:
    """One start of `voicemill say`: seconds to its first sound, CPU seconds and the most memory in MiB."""

    heard: float
    cpu: float
    memory: float


def make_models(folder: Path, version: Version) -> None:
    """Write full-size pretrained models that stand before a voice of that version."""
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(3)
    with quiet():
        HubertModel(HubertConfig()).half().save_pretrained(folder / place("hubert"))
    if SovitsConfig.of(version).is_pro:
        file = folder / place("speaker-encoder")
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(SpeakerEncoder().half().state_dict(), file)


def make_voice(folder: Path, version: Version) -> None:
    """Write a voice of full size whose lines end at their length limit."""
    torch.manual_seed(4)
    config = SovitsConfig.of(version)
    token, sizes = Gpt(GptConfig()), GptConfig()
    token.ar_predict_layer.weight.data[sizes.eos] = 0
    sovits, gpt = folder / "sovits.safetensors", folder / "gpt.safetensors"
    hps = {"model": config.as_dict()}
    checkpoints.save_sovits(sovits, SovitsCheckpoint(config, Generator(config).state_dict(), "seeded", hps))
    checkpoints.save_gpt(gpt, GptCheckpoint(sizes.to_dict(), token.state_dict(), "seeded"))
    rng = np.random.default_rng(5)
    write_wav(folder / "reference.wav", rng.normal(0, 0.05, 5 * RATE).astype(np.float32), RATE, "PCM_16")
    clip = ReferenceClip("reference.wav", file_digest(folder / "reference.wav"), "It is raining.", "en", 5.0)
    acoustic, spoken = (Part(file.name, file_digest(file), file.name) for file in (sovits, gpt))
    Voice("seeded", version, "en", RATE, acoustic, spoken, clip).write(folder)


def start(voice: Path, models: Path, work: Path, checkout: Path | None) -> Start:
    """Start `voicemill say` and wait for its end."""
    heard = work / "heard"
    heard.unlink(missing_ok=True)
    environment = {**os.environ, "PATH": f"{work}{os.pathsep}{os.environ['PATH']}"}
    if checkout:
        environment["PYTHONPATH"] = str(checkout)
    command = [sys.executable, "-m", "voicemill", "say", TEXT, "--voice", str(voice), "--models", str(models)]
    began = time.time()
    process = subprocess.Popen(command, env=environment, cwd=checkout, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"voicemill say ended with {status}: {said}")
    return Start(float(heard.read_text()) - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_sound", description=__doc__)
    parser.add_argument("--version", default="v2", choices=["v1", "v2", "v2Pro", "v2ProPlus"])
    parser.add_argument("--rounds", type=int, default=3, help="starts of each")
    parser.add_argument("--against", type=Path, help="checkout of an earlier commit")
    arguments = parser.parse_args()
    version = cast(Version, arguments.version)
    with tempfile.TemporaryDirectory(prefix="voicemill-first-sound-") as place_:
        work = Path(place_)
        models, plain, read = work / "models", work / "plain", work / "read"
        plain.mkdir()
        make_models(models, version)
        make_voice(plain, version)
        shutil.copytree(plain, read)
        add_to_voice(read, Pretrained(models, torch.device("cpu")), BY_DICTIONARIES)
        size = (read / reference_features.FILE).stat().st_size
        player = work / "ffplay"
        player.write_text(PLAYER.format(python=sys.executable, file=str(work / "heard")))
        player.chmod(0o755)
        cases: dict[str, tuple[Path, Path | None]] = {"references not read": (plain, None), "read": (read, None)}
        if arguments.against:
            cases = {f"before ({arguments.against.name})": (plain, arguments.against.resolve())} | cases
        found: dict[str, list[Start]] = {name: [] for name in cases}
        for _ in range(arguments.rounds):
            for name, (voice, checkout) in cases.items():
                found[name].append(start(voice, models, work, checkout))
    print(f"{version}, {arguments.rounds} starts of each; {reference_features.FILE}: {size / 1024:.0f} KiB\n")
    print("| voice | first sound, s | CPU s to the end | most memory, MiB |")
    print("| --- | --- | --- | --- |")
    last = list(found.values())[-1]
    for name, starts in found.items():
        cells = [cell(starts, last, field) for field in ("heard", "cpu", "memory")]
        print(f"| {name} | {' | '.join(cells)} |")


def cell(starts: list[Start], last: list[Start], field: str) -> str:
    """Return min-median-max, and the ratio of the median to the last row's."""
    values, against = ([getattr(each, field) for each in of] for of in (starts, last))
    middle = statistics.median(values)
    return f"{min(values):.1f}-{middle:.1f}-{max(values):.1f} ({middle / statistics.median(against):.2f})"


if __name__ == "__main__":
    main()
