"""Runs Helm on the chart."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "voicemill"
EXAMPLES = ("minimal", "production", "no-gpu-labels")
RELEASE, NAMESPACE = "speech", "voices"

Json = dict[str, Any]


def find(program: str) -> str:
    """Path of a program that the tests run; skips the test where there is none."""
    named = os.environ.get(program.upper())
    ours = ROOT / ".tools" / "bin" / program
    found = named or (str(ours) if ours.is_file() else shutil.which(program))
    if not found:
        pytest.skip(f"needs {program}: `make tools` builds it where Go is, or name it in ${program.upper()}")
    return found


class Helm:
    """Helm on this chart.

    Args:
        program: Path of Helm 3.
    """

    def __init__(self, program: str) -> None:
        self.program = program
        self.render = cache(self._render)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.program, *arguments], capture_output=True, text=True)

    def template(
        self, *sets: str, values: str | None = "minimal", kubernetes: str = "1.34.0"
    ) -> subprocess.CompletedProcess[str]:
        """`helm template` with one of ci/'s values files and more values, as `name=value` or `name=JSON`."""
        options = ["--kube-version", kubernetes]
        options += ["--values", str(CHART / "ci" / f"{values}.yaml")] if values else []
        for each in sets:
            name, _, value = each.partition("=")
            options += ["--set-json" if value[:1] in '{["' else "--set", f"{name}={value}"]
        return self.run("template", RELEASE, str(CHART), "--namespace", NAMESPACE, *options)

    def _render(self, *sets: str, values: str | None = "minimal", kubernetes: str = "1.34.0") -> list[Json]:
        """The objects that the chart gives."""
        done = self.template(*sets, values=values, kubernetes=kubernetes)
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.load_all(done.stdout, yaml.CSafeLoader) if document]

    def refused(self, *sets: str, values: str | None = "minimal") -> str:
        """What Helm says where it must refuse the values."""
        done = self.template(*sets, values=values)
        assert done.returncode != 0, f"{sets} were taken"
        return done.stderr


def one(objects: list[Json], kind: str, name: str) -> Json:
    """The object of a kind and name."""
    found = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def stages(objects: list[Json], workflow: str = "clone-voice") -> dict[str, Json]:
    """The templates with a container of a rendered workflow, by name."""
    templates = one(objects, "WorkflowTemplate", workflow)["spec"]["templates"]
    return {template["name"]: template for template in templates if "container" in template}
