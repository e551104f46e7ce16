"""A small stage that the tests run as a real process: it copies what it can read."""

import os
import time
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Interval

from voicemill.contract import (
    InputDir,
    Ledger,
    Location,
    OutputDir,
    StateDir,
    check_stop,
    micro_batch_divisor,
    stage,
    stop_requested,
)
from voicemill.core.errors import InputError, MissingModelError, TryAgain


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


@stage(family="copy", cpu=2, memory="4Gi", gpu_memory="6Gi", results=("copied", "error_rate"))
def copy_texts(
    texts: InputDir,
    copies: OutputDir,
    glossary: InputDir | None = None,
    *,
    models: Location = "",
    times: Annotated[int, Interval(ge=1, le=9)] = 1,
    speed: float = 1.0,
    upper: bool = False,
    ending: Literal["none", "lf"] = "none",
    limit: int | None = None,
    fail: str = "",
) -> Ledger:
    """Copy texts.

    Args:
        texts: Folder of texts.
        times: How often each text
            is repeated.
        upper: Whether to shout.
        ending: What ends a text.
        limit: Longest text in characters.
    """
    ledger = Ledger()
    for path in ledger.each(sorted(texts.iterdir()), label="copying"):
        with ledger.item(path.name):
            if path.suffix != ".txt":
                raise InputError(f"{path.name} is not a text; give it the ending .txt")
            text = path.read_text() * times
            (copies / path.name).write_text(text.upper() if upper else text)
            ledger.keep(path.name, seconds=1.5)
    if fail == "sleep":
        time.sleep(30)
    errors = {
        "bug": ValueError("index 7 is out of bounds"),
        "input": InputError("a.txt is empty; write something into it"),
        "model": MissingModelError("no model"),
        "again": TryAgain("S3 cannot be reached"),
        "gpu": OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        "ctranslate": RuntimeError("CUDA failed with error out of memory"),
        "ecc": RuntimeError("CUDA error: uncorrectable ECC error encountered"),
        "host": MemoryError(),
        "disk": OSError(28, "No space left on device", "/x"),
        "weights": Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
    }
    if fail == "checkpoint":
        import torch

        with Path("/dev/full").open("wb") as file:
            torch.save({"weight": torch.zeros(100_000)}, file)
    if fail in errors:
        raise errors[fail]
    ledger.note(copied=ledger.kept, error_rate=0.25, glossary=glossary is not None, limit=limit)
    ledger.note(divisor=micro_batch_divisor())
    ledger.require(1, "texts")
    return ledger


@stage(family="copy")
def count(numbers: OutputDir, state: StateDir, *, steps: int = 200) -> Ledger:
    """Count, resuming from where a killed try was."""
    file = state / "step"
    for step in range(int(file.read_text()) if file.exists() else 0, steps):
        time.sleep(0.05)
        if stop_requested():
            file.write_text(str(step))
            check_stop()
    (numbers / "last").write_text(str(steps))
    ledger = Ledger()
    ledger.keep("numbers")
    return ledger


if __name__ == "__main__":
    {"copy": copy_texts, "count": count}[os.environ.get("STAGE", "copy")].main()
