"""Peers answer in processes of their own, in turns, and are compared by what they took."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import __main__ as peers
from benchmarks.peers.__main__ import Peer, report, start

PEER = """
def load(folder, given, threads, variant):
    print("what a library says is not an answer")
    return {"tokens": lambda: int(given["count"]) + threads, "sound": lambda: len(variant)}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "peer.py").write_text(PEER)
    (tmp_path / "child.py").write_text((peers.HERE / "child.py").read_text())
    monkeypatch.setattr(peers, "HERE", tmp_path)
    np.savez(tmp_path / "inputs.npz", count=200)
    return tmp_path


def test_a_peer_answers_task_by_task(folder: Path) -> None:
    with ExitStack() as stack:
        peer = start(stack, "a peer", Path(sys.executable), "peer.py", folder, 2, "fp32")
        peer.wait()
        assert [peer.ask(task)["made"] for task in ("tokens", "sound", "tokens")] == [202, 4, 202]
        assert peer.ask("sound")["seconds"] >= 0 and peer.ask("sound")["memory"] > 1


def test_a_peer_that_fails_is_named(folder: Path) -> None:
    (folder / "peer.py").write_text("raise SystemExit(3)")
    with ExitStack() as stack:
        peer = start(stack, "a peer", Path(sys.executable), "peer.py", folder, 1, "fp32")
        with pytest.raises(SystemExit, match="a peer ended with 3"):
            peer.wait()


def test_ratios_are_of_rounds_and_of_the_whole_line(capsys: pytest.CaptureFixture[str]) -> None:
    def peer(name: str, tokens: list[float], sound: float) -> Peer:
        took = {
            task: [{"cpu": cpu, "seconds": cpu, "made": 1, "memory": 10.0} for cpu in values]
            for task, values in (("tokens", tokens), ("sound", [sound] * len(tokens)))
        }
        return Peer(name, None, took)  # pyright: ignore[reportArgumentType]

    both = [peer("voicemill fp32", [2.0, 4.0], 1.0), peer("other", [4.0, 4.0], 3.0)]
    report(both, argparse.Namespace(threads=2, rounds=2))
    said = capsys.readouterr().out
    assert "| other to voicemill fp32 | 1.00-1.50-2.00 | 3.00-3.00-3.00 | 1.40-1.87-2.33 |" in said
