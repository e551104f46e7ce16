"""The vocoder compiled by torch's inductor: a minute once, for a process that speaks much."""

from __future__ import annotations

import os
import shutil
from typing import cast

import torch
from torch import nn

from voicemill.core.errors import InputError


def compile_vocoder(speaker: nn.Module, backend: str = "inductor") -> None:
    """Let the vocoder be compiled when it is first used.

    Args:
        speaker: Has its vocoder as `dec`, weight norm folded.
        backend: Torch's name of what compiles.

    Raises:
        InputError: Without a compiler for the code that inductor writes.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise InputError(
            f"compiling needs the C++ compiler {compiler}, which is not installed: install it, set another one in CXX, "
            "or leave out --compiled"
        )
    # Lines differ in length: without `dynamic` every one would be compiled for.
    vocoder = speaker.get_submodule("dec")
    speaker.add_module("dec", cast(nn.Module, torch.compile(vocoder, dynamic=True, backend=backend)))
