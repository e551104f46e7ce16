"""The vocoder compiled by torch's inductor: a minute once, for a process that speaks much."""

from __future__ import annotations

import os
import shutil
from typing import cast

import torch
from torch import nn

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.sovits.vocoder import Vocoder


def compile_vocoder(generator: Generator, backend: str = "inductor") -> None:
    """Let the vocoder of a generator that `for_inference` has prepared be compiled when it is first used.

    Args:
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
    if not isinstance(generator.dec, Vocoder):
        return
    # Lines differ in length: without `dynamic` every one would be compiled for.
    generator.add_module("dec", cast(nn.Module, torch.compile(generator.dec, dynamic=True, backend=backend)))
