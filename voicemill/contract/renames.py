"""Names that were changed, in one table: each old name is accepted with a warning until the release that removes it.

A new row in `TABLE` is all that a rename needs here. Whoever reads names asks the functions below: a stage's command
line, `voicemill stage`, `voicemill run`, `submit` and `batch`, the chart (by the copy that `charts/readme.py` makes).
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from voicemill.core import logs
from voicemill.core.errors import UsageError

log = logs.get_logger(__name__)


@dataclass(frozen=True)
class Renames:
    """Names that were changed, old to new, as they are written on command lines and in workflows (`batch-size`).

    Attributes:
        removed_in: Release that no longer accepts the old names.
        stages: Stages.
        options: Options of stages, parameters and artifacts alike, by the stage's present name.
        parameters: Parameters of workflows, by the workflow's name.
    """

    removed_in: str
    stages: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


_OF_CLONING = {
    "labels": "transcripts-file",
    "lines": "text",
    "polyphones": "polyphone-model",
    "proofread-unanswered": "on-review-timeout",
}

TABLE: tuple[Renames, ...] = (
    Renames(
        removed_in="0.2.0",
        stages={
            "level": "normalize",
            "measure": "assess-quality",
            "revise": "apply-review",
            "recall": "check-build-cache",
            "admit": "promote",
            "conduct": "run-batch",
            "summarize": "batch-report",
            "make-base": "init-base",
            "finish-base": "package-base",
            "gather-speech": "collect-speech",
        },
        options={
            "train-sovits": {
                "adversary-from": "discriminator-start-step",
                "as-base": "export-base",
                "averaged-steps": "ema-steps",
                "content-weight": "content-loss-weight",
                "copies-judged": "adversarial-on-prior",
                "crop": "segment-seconds",
                "mel-scales": "mel-resolutions",
                "part": "trainable",
                "validation": "validation-fraction",
            },
            "train-gpt": {
                "guide": "guided-attention-weight",
                "joined": "max-concat-clips",
                "validation": "validation-fraction",
            },
            "train-content-encoder": {"validation": "validation-fraction"},
            "transcribe": {"labels": "transcripts-file"},
            "check-build-cache": {"labels": "transcripts-file"},
            "apply-review": {"unanswered": "on-review-timeout"},
            "format": {"polyphones": "polyphone-model"},
            "synthesize": {"lines": "text", "polyphones": "polyphone-model"},
        },
        parameters={
            "clone-voice": _OF_CLONING,
            "build-voice": _OF_CLONING,
            "synthesize": {"lines": "text", "polyphones": "polyphone-model"},
            "synthesize-bulk": {"polyphones": "polyphone-model"},
        },
    ),
)


@dataclass(frozen=True)
class Rename:
    """One name that was changed."""

    kind: str
    old: str
    new: str
    removed_in: str

    def warn(self) -> None:
        """Tell the user of the old name the new one, once in a process."""
        _warn(f"the {self.kind} {self.old} is now {self.new}; the old name is accepted until release {self.removed_in}")


def of_stages() -> dict[str, Rename]:
    """The stages that were renamed, by their old names."""
    return {old: Rename("stage", old, new, each.removed_in) for each in TABLE for old, new in each.stages.items()}


def present_stage(name: str) -> str:
    """What a stage is called now, such as that of a task in a run of an older release."""
    rename = of_stages().get(name)
    return rename.new if rename else name


def of_module(module: str) -> Rename | None:
    """The rename of the stage in a module, `voicemill.stages.NAME` or `stages.NAME`, if that is an old name."""
    package, _, name = module.rpartition(".")
    return of_stages().get(name.replace("_", "-")) if package.endswith("stages") else None


def present_module(module: str) -> str:
    """The module of a stage by the stage's present name."""
    rename = of_module(module)
    return f"{module.rpartition('.')[0]}.{rename.new.replace('-', '_')}" if rename else module


class FormerModules(MetaPathFinder):
    """Finds the modules of stages by the names that they had before, for `python -m stages.OLD` and imports."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        present = present_module(fullname)
        if present == fullname or fullname.rpartition(".")[0] != self.package or not path:
            return None
        return spec_from_file_location(fullname, Path(path[0], f"{present.rpartition('.')[2]}.py"))

    def install(self) -> None:
        """Let Python ask this finder where it finds no module."""
        if not any(isinstance(finder, FormerModules) and finder.package == self.package for finder in sys.meta_path):
            sys.meta_path.append(self)


def of_options(stage: str) -> dict[str, Rename]:
    """The options of a stage that were renamed, by their old names, without dashes."""
    return {
        old: Rename("option", f"--{old}", f"--{new}", each.removed_in)
        for each in TABLE
        for old, new in each.options.get(stage, {}).items()
    }


def former_options(stage: str, present: str) -> list[Rename]:
    """What an option of a stage was called before."""
    return [rename for rename in of_options(stage).values() if rename.new == f"--{present}"]


def of_parameters(workflow: str) -> dict[str, Rename]:
    """The parameters of a workflow that were renamed, by their old names."""
    return {
        old: Rename("parameter", old, new, each.removed_in)
        for each in TABLE
        for old, new in each.parameters.get(workflow, {}).items()
    }


def present_parameters(workflow: str, given: Mapping[str, str], declared: Collection[str]) -> dict[str, str]:
    """A workflow's parameters by their present names, in the order in which they were given, with a warning for each.

    Args:
        workflow: Its name.
        given: Values by present or old names.
        declared: The parameters that it has. One that still has the old name, such as that of an older release on a
            cluster, is given the old name.

    Raises:
        UsageError: for a parameter that was given by both names.
    """
    renamed = {old: rename for old, rename in of_parameters(workflow).items() if old not in declared}
    values: dict[str, str] = {}
    for name, value in given.items():
        rename = renamed.get(name)
        present = rename.new if rename else name
        if present in values or (rename and present in given):
            raise UsageError(f"{present} was given twice, also by the name that it had before; give {present} alone")
        if rename:
            rename.warn()
        values[present] = value
    return values


@cache
def _warn(sentence: str) -> None:
    log.warning("%s", sentence)


def forget_warnings() -> None:
    """Let each warning be given once more."""
    _warn.cache_clear()
