"""Plays Argo for the pods of one stage: what a cluster tells them, and outputs that are stored when they have ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from voicemill.contract import Stage
from voicemill.contract.template import KEYS, NAMESPACE, REUSE_MODE
from voicemill.storage import open_store


@dataclass
class Pods:
    """Runs a stage as its pod on a cluster does: with the run's keys, and its outputs stored when it has ended.

    Attributes:
        computed: Runs in which the stage's function was called.
        said: What it said in the last run.
    """

    stage: Stage[...]
    inputs: dict[str, Path]
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    log: pytest.LogCaptureFixture
    speaker: str = "anna"
    computed: list[str] = field(default_factory=list)
    said: str = ""

    def __post_init__(self) -> None:
        function: Callable[..., Any] = self.stage.function

        @wraps(function)
        def counted(**values: Any) -> Any:
            self.computed.append(os.environ["VOICEMILL_WORKFLOW"])
            return function(**values)

        self.monkeypatch.setattr(self.stage, "function", counted)

    def run(self, run: str, *options: str, mode: str = "auto", namespace: str = "voices", store: bool = True) -> Path:
        """Run it and return the folder of its outputs."""
        keys = f"voices/{self.speaker}/{run}"
        told = {REUSE_MODE: mode, KEYS: keys, NAMESPACE: namespace, "VOICEMILL_WORKFLOW": run}
        for name, value in told.items():
            self.monkeypatch.setenv(name, value)
        out = self.folder / run
        words = [word for name, path in self.inputs.items() for word in (f"--{name}", str(path))]
        words += [word for each in self.stage.outputs for word in (f"--{each.name}", str(out / each.name))]
        for state in self.stage.declaration.of_role("state"):
            words += [f"--{state.name}", f"s3:///{keys}/{self.stage.name}/{state.name}"]
        words += ["--summary", str(out / "summary.json"), "--ledger", str(out / "ledger.jsonl")]
        self.log.clear()
        assert self.stage.run([*words, *options]) == 0, self.log.text
        self.said = self.log.text
        for path in out.rglob("*") if store else ():
            if path.is_file():
                open_store("s3:///").upload(path, f"{keys}/{self.stage.name}/{path.relative_to(out)}")
        return out
