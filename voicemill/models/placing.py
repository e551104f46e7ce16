"""Lay out models that were made here, and put them to where stages find them. Nothing here needs torch."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from voicemill import storage
from voicemill.core.errors import InputError
from voicemill.gpt_sovits.formats import pickle_writer
from voicemill.gpt_sovits.formats.safetensors_files import read_weights
from voicemill.models import record
from voicemill.models.layout import place

VERSION = "v2"
DEFAULTS = "defaults.yaml"
"""How a base is best trained and spoken with: see `voicemill.contract.config`."""


def put(folder: Path, destination: str) -> None:
    """Copy every file, and last the record that says which there are.

    Args:
        folder: Laid out as GPT-SoVITS's pretrained_models.
        destination: Folder or s3:// address; files of the same names are replaced.
    """
    store = storage.open_store(destination)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != record.NAME)
    entries = {}
    for path in files:
        name = path.relative_to(folder).as_posix()
        path.chmod(0o644)
        entries[name] = asdict(record.describe(path, name.split("/")[0], record.BASE))
        store.upload(path, name)
    store.write(record.NAME, (json.dumps(entries, indent=1) + "\n").encode())


def put_defaults(text: str, destination: str) -> None:
    """Write what stages take for their defaults on this base, in the form of a config.

    Args:
        text: YAML, options by stage.
        destination: The models folder, or its s3:// address.
    """
    storage.open_store(destination).write(DEFAULTS, text.encode())


def assemble(folder: Path, encoder: Path, sovits: Path, gpt: Path) -> list[Path]:
    """Lay trained models out as GPT-SoVITS's pretrained_models.

    Args:
        folder: Where to.
        encoder: From train-content-encoder: `hubert/`.
        sovits: Weights folder of train-sovits, with `base/`.
        gpt: Weights folder of train-gpt; the last epoch counts.

    Returns:
        The files.

    Raises:
        InputError: Something is not there.
    """
    if not (sovits / "base").is_dir():
        raise InputError(f"{sovits} has no base files: train SoVITS with --export-base true")
    trained = max(gpt.glob("gpt_e*.safetensors"), key=lambda path: int(path.stem.split("_")[1][1:]), default=None)
    if trained is None:
        raise InputError(f"{gpt} has no weights file of the token model")
    for name in ("sovits-g", "sovits-d", "gpt"):
        (folder / place(name, VERSION)).parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(encoder / "hubert", folder / place("hubert"))
    shutil.copy2(sovits / "base" / "s2G.pth", folder / place("sovits-g", VERSION))
    shutil.copy2(sovits / "base" / "s2D.pth", folder / place("sovits-d", VERSION))
    weights, about = read_weights(trained, "gpt")
    pickle_writer.write_gpt(folder / place("gpt", VERSION), weights, about["hps"], about["info"])
    return sorted(path for path in folder.rglob("*") if path.is_file())
