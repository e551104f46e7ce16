"""What stages leave behind, small and made here: real formats, toy weights, a tone or one recording for a speaker."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from voicemill.core.digests import file_digest
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.models import locate
from voicemill.models.toy.gpt import make_gpt
from voicemill.models.toy.sovits import make_sovits
from voicemill.voice.generation_config import Generation
from voicemill.voice.manifest import Part, ReferenceClip, Voice

RECORDING = Path(__file__).parent / "parity" / "golden" / "F_glue" / "ref.wav"
"""Four seconds of Mandarin."""
SAID = "今天下午我们一起去喝茶。"
CLIPS = {
    "a-0000_1.wav": (4.0, "Good morning."),
    "b-0000_1.wav": (6.0, "It is raining."),
    "c-0000_1.wav": (12.0, "Long."),
}


@dataclass(frozen=True)
class RunFolder:
    """Folders by the names of their artifacts."""

    root: Path

    def __getattr__(self, name: str) -> Path:
        return self.root / name


def make_run(root: Path, models: Path | None = None) -> RunFolder:
    """Make the folders `models`, `audio`, `clips`, `transcripts`, `dataset`, `sovits`, `gpt`, `evaluation`.

    Args:
        root: Where they lie.
        models: The models folder to take; by default toys, which babble long where the best token is always taken.
    """
    run = RunFolder(root)
    for name in ("audio", "clips", "transcripts", "dataset", "sovits", "gpt", "evaluation/audio"):
        (root / name).mkdir(parents=True)
    if models:
        run.models.symlink_to(models)
    else:
        make_sovits(run.models, 0)
        make_gpt(run.models, 0)
    rows = []
    for number, (clip, (seconds, text)) in enumerate(CLIPS.items()):
        time = np.arange(int(seconds * 32_000)) / 32_000
        soundfile.write(run.clips / clip, 0.3 * np.sin(2 * np.pi * (200 + 40 * number) * time), 32_000)
        row = {"clip": clip, "seconds": seconds, "language": "EN", "text": text, "confidence": 0.9, "flags": []}
        rows.append(row)
    rows[2]["flags"] = ["few words"]
    (run.transcripts / "transcripts.json").write_text(json.dumps(rows))
    listed = "".join(f"{row['clip']}|lj|en|{row['text']}\n" for row in rows)
    (run.transcripts / "transcripts.list").write_text(listed)
    (run.dataset / "2-name2text.txt").write_text("a-0000_1.wav\tG UH1 D\tNone\tgood morning.\n")
    (run.audio / "consent.json").write_text(json.dumps({"consent": "She agreed on paper."}))
    sovits = checkpoints.load_sovits(locate(run.models, "sovits-g"))
    gpt = checkpoints.load_gpt(locate(run.models, "gpt"))
    for epoch in (1, 2):
        checkpoints.save_sovits(run.sovits / f"sovits_e{epoch}_s{epoch * 10}.safetensors", sovits)
        checkpoints.save_gpt(run.gpt / f"gpt_e{epoch}_s{epoch * 10}.safetensors", gpt)
    for folder, name in ((run.sovits, "loss_mel"), (run.gpt, "loss")):
        metrics = [{"step": step, "epoch": 1, name: 3.0 / step} for step in range(1, 80)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))
    soundfile.write(run.evaluation / "audio" / "1.wav", np.zeros(16_000), 32_000)
    measured = {"similarity": 0.7, "seconds": 0.5}
    line = {"text": "Asked.", "heard": "Ask it.", "error_rate": 1.0, "audio": "audio/1.wav", **measured}
    line |= {"causes": ["words", "ending"]}
    pairs = [
        {
            "sovits": f"sovits_e{one}_s{one}0.safetensors",
            "gpt": f"gpt_e{two}_s{two}0.safetensors",
            "error_rate": 0.4 / one,
            "score": 0.3,
            "failing": 1.0,
            "lines": [line],
            **measured,
        }
        for one, two in ((1, 2), (2, 2), (2, 1))
    ]
    best = {key: value for key, value in pairs[1].items() if key != "lines"}
    evaluation = {"language": "en", "reference": rows[1], "best": best, "pairs": pairs}
    (run.evaluation / "evaluation.json").write_text(json.dumps(evaluation))
    return run


def make_speaking_voice(
    folder: Path, models: Path, *, speaker: str = "ada", prompt: str = SAID, generation: Generation | None = None
) -> Path:
    """Make a voice of the base weights in a models folder, whose reference is `RECORDING`.

    Args:
        folder: An empty folder, which becomes the voice.
        models: The models folder.
        speaker: Whose voice it is.
        prompt: What the reference says; empty for a voice that speaks without a prompt.
        generation: How it speaks; the defaults if it does not say.
    """
    checkpoints.save_sovits(folder / "sovits.safetensors", checkpoints.load_sovits(locate(models, "sovits-g")))
    checkpoints.save_gpt(folder / "gpt.safetensors", checkpoints.load_gpt(locate(models, "gpt")))
    shutil.copy(RECORDING, folder / "reference.wav")
    sovits, gpt = (
        Part(name, file_digest(folder / name), name.replace(".", "_e1_s1."))
        for name in ("sovits.safetensors", "gpt.safetensors")
    )
    clip = ReferenceClip("reference.wav", file_digest(folder / "reference.wav"), prompt, "zh" if prompt else "en", 4.0)
    Voice(speaker, "v2", "en", 32_000, sovits, gpt, clip, generation or Generation()).write(folder)
    return folder
