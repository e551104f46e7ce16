"""Models that are built to be given their weights."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from voicemill.gpt_sovits.uninitialized import Uninitialized


@pytest.mark.parametrize("make", [lambda: nn.Linear(8, 8), lambda: nn.Embedding(8, 8), lambda: nn.Conv1d(8, 8, 3)])
def test_no_random_numbers_are_drawn(make):
    state = torch.get_rng_state()
    with Uninitialized():
        module = make()
    assert torch.equal(torch.get_rng_state(), state)
    assert module.weight.requires_grad
    make()
    assert not torch.equal(torch.get_rng_state(), state)


def test_what_is_not_random_keeps_its_value():
    with Uninitialized():
        norm = nn.LayerNorm(4)
    assert torch.equal(norm.weight, torch.ones(4))


def test_building_a_generator_imports_no_compiler():
    code = (
        "import sys; from voicemill.gpt_sovits.sovits.config import SovitsConfig\n"
        "from voicemill.gpt_sovits.sovits.model import Generator\n"
        "from voicemill.gpt_sovits.uninitialized import Uninitialized\n"
        "with Uninitialized(): Generator(SovitsConfig())\n"
        "print('sympy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False", "sympy comes with torch's compiler"
