"""A voice folder to the files that GPT-SoVITS loads."""

from __future__ import annotations

import shutil
from pathlib import Path

from voicemill.dataset.labels import Label, one_line, write
from voicemill.gpt_sovits.formats import safetensors_files
from voicemill.voice.manifest import Voice, read_voice


def export_voice(folder: Path, target: Path) -> Voice:
    """Write `<speaker>.pth`, `<speaker>.ckpt`, the reference recording and its text as `reference.list`.

    The `.pth` has the two bytes that tell GPT-SoVITS the version of v2Pro and v2ProPlus; both hold half precision.

    Args:
        folder: A voice.
        target: Existing empty folder.

    Raises:
        InputError: When the folder is not a voice, or damaged.
    """
    voice = read_voice(folder)
    name = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in voice.speaker).lstrip(".") or "voice"
    sovits, gpt = folder / voice.sovits.file, folder / voice.gpt.file
    safetensors_files.export_files(sovits, gpt, target / f"{name}.pth", target / f"{name}.ckpt")
    clip = voice.reference
    shutil.copyfile(folder / clip.file, target / "reference.wav")
    write(target / "reference.list", [Label("reference.wav", name, clip.language, one_line(clip.text))])
    return voice
