"""A voice folder to the files that another program loads: GPT-SoVITS's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from voicemill.dataset.labels import Label, one_line, write
from voicemill.gpt_sovits.formats import safetensors_files
from voicemill.voice.manifest import Voice, weights_of


def export_voice(folder: Path, target: Path) -> Voice:
    """Write `<speaker>.pth`, `<speaker>.ckpt`, the reference recording and its text as `reference.list`.

    The `.pth` has the two bytes that tell GPT-SoVITS the version of v2Pro and v2ProPlus; both hold half precision.

    Args:
        folder: A voice.
        target: Existing empty folder.

    Raises:
        InputError: When the folder is not a voice, or damaged.
    """
    voice = weights_of(folder)
    name = _file_name(voice.speaker)
    sovits, gpt = folder / voice.sovits.file, folder / voice.gpt.file
    safetensors_files.export_files(sovits, gpt, target / f"{name}.pth", target / f"{name}.ckpt")
    _write_reference(voice, folder, target)
    return voice


def _file_name(speaker: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in speaker).lstrip(".") or "voice"


def _write_reference(voice: Voice, folder: Path, target: Path) -> None:
    clip = voice.reference
    shutil.copyfile(folder / clip.file, target / "reference.wav")
    label = Label("reference.wav", _file_name(voice.speaker), clip.language, one_line(clip.text))
    write(target / "reference.list", [label])
