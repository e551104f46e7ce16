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

from voicemill.contract import config
from voicemill.contract.declaration import CONFIG
from voicemill.core import logs, text_or_path
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
        to_config: Parameters of workflows that are options in a config now, as `STAGE.OPTION`, by the workflow's name.
    """

    removed_in: str
    stages: Mapping[str, str] = field(default_factory=dict[str, str])
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    to_config: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict[str, Mapping[str, Sequence[str]]])


_GENERATION: Mapping[str, str] = {"beams": "num-beams", "cut": "text-split", "prompted": "use-prompt"}

_EXPERIMENTAL: Mapping[str, Sequence[str]] = {
    "track": ["ingest.track"],
    "separation-model": ["separate.model"],
    "dereverb": ["assess-quality.dereverb"],
    "denoise": ["assess-quality.denoise"],
    "peak-dbfs": ["normalize.target"],
    "max-seconds": ["slice.max-seconds"],
    "polyphones": ["format.polyphone-model"],
    "polyphone-model": ["format.polyphone-model"],
    "validation": ["train-sovits.validation-fraction", "train-gpt.validation-fraction"],
    "deterministic": ["train-sovits.deterministic", "train-gpt.deterministic"],
    "gradient-checkpointing": ["train-sovits.gradient-checkpointing", "train-gpt.gradient-checkpointing"],
    "sovits-learning-rate": ["train-sovits.learning-rate"],
    "sovits-learning-rate-decay": ["train-sovits.learning-rate-decay"],
    "sovits-crop": ["train-sovits.segment-seconds"],
    "sovits-mel-scales": ["train-sovits.mel-resolutions"],
    "sovits-content-weight": ["train-sovits.content-loss-weight"],
    "sovits-copies-judged": ["train-sovits.adversarial-on-prior"],
    "sovits-averaged-steps": ["train-sovits.ema-steps"],
    "sovits-text-learning-rate-scale": ["train-sovits.text-learning-rate-scale"],
    "sovits-save-every": ["train-sovits.save-every"],
    "sovits-patience": ["train-sovits.patience"],
    "gpt-learning-rate": ["train-gpt.learning-rate"],
    "gpt-save-every": ["train-gpt.save-every"],
    "gpt-patience": ["train-gpt.patience"],
    "gpt-dpo": ["train-gpt.dpo"],
    "evaluation-lines": ["evaluate.lines"],
    "top-k": ["evaluate.top-k", "synthesize.top-k"],
    "top-p": ["evaluate.top-p", "synthesize.top-p"],
    "temperature": ["evaluate.temperature", "synthesize.temperature"],
    "repetition-penalty": ["evaluate.repetition-penalty", "synthesize.repetition-penalty"],
    "beams": ["evaluate.num-beams", "synthesize.num-beams"],
    "cut": ["evaluate.text-split", "synthesize.text-split"],
    "prompted": ["evaluate.use-prompt", "synthesize.use-prompt"],
}
"""Parameters that clone-voice had, and build-voice with it."""


_OF_CLONING = {
    "labels": "transcripts-file",
    "lines": "text",
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
            "evaluate": _GENERATION,
            "transcribe": {"labels": "transcripts-file"},
            "check-build-cache": {"labels": "transcripts-file"},
            "apply-review": {"unanswered": "on-review-timeout"},
            "init-base": {"widen": "widen-vocoder"},
            "run-batch": {"at-once": "max-parallel"},
            "format": {"polyphones": "polyphone-model"},
            "synthesize": {"lines": "text", "polyphones": "polyphone-model", **_GENERATION},
        },
        parameters={
            "clone-voice": _OF_CLONING,
            "clone-batch": {"at-once": "max-parallel"},
            "pretrain": {
                "widen": "widen-vocoder",
                "gpt-guide": "gpt-guided-attention-weight",
                "gpt-joined": "gpt-max-concat-clips",
                "sovits-adversary-from": "sovits-discriminator-start-step",
                "sovits-averaged-steps": "sovits-ema-steps",
                "sovits-content-weight": "sovits-content-loss-weight",
                "sovits-copies-judged": "sovits-adversarial-on-prior",
                "sovits-crop": "sovits-segment-seconds",
                "sovits-mel-scales": "sovits-mel-resolutions",
            },
            "build-voice": _OF_CLONING,
            "synthesize": {"lines": "text", "polyphones": "polyphone-model", **_GENERATION},
            "synthesize-bulk": {"polyphones": "polyphone-model", **_GENERATION},
        },
        to_config={"clone-voice": _EXPERIMENTAL, "build-voice": _EXPERIMENTAL},
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
    """Return the stages that were renamed, by their old names."""
    return {old: Rename("stage", old, new, each.removed_in) for each in TABLE for old, new in each.stages.items()}


def present_stage(name: str) -> str:
    """Return what a stage is called now, such as that of a task in a run of an older release."""
    rename = of_stages().get(name)
    return rename.new if rename else name


def of_module(module: str) -> Rename | None:
    """Return the rename of the stage in a module, `voicemill.stages.NAME` or `stages.NAME`, if that is an old name."""
    package, _, name = module.rpartition(".")
    return of_stages().get(name.replace("_", "-")) if package.endswith("stages") else None


def present_module(module: str) -> str:
    """Return the module of a stage by the stage's present name."""
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
    """Return the options of a stage that were renamed, by their old names, without dashes."""
    return {
        old: Rename("option", f"--{old}", f"--{new}", each.removed_in)
        for each in TABLE
        for old, new in each.options.get(stage, {}).items()
    }


def former_options(stage: str, present: str) -> list[Rename]:
    """Return what an option of a stage was called before."""
    return [rename for rename in of_options(stage).values() if rename.new == f"--{present}"]


def of_parameters(workflow: str) -> dict[str, Rename]:
    """Return the parameters of a workflow that were renamed, by their old names."""
    return {
        old: Rename("parameter", old, new, each.removed_in)
        for each in TABLE
        for old, new in each.parameters.get(workflow, {}).items()
    }


def present_parameters(
    workflow: str, given: Mapping[str, str], declared: Collection[str], base: str = "", folder: Path | None = None
) -> dict[str, str]:
    """A workflow's parameters by their present names, in the order in which they were given, with a warning for each.

    Args:
        workflow: Its name.
        given: Values by present or old names.
        declared: The parameters that it has. One that still has the old name, such as that of an older release on a
            cluster, is given the old name.
        base: The config that counts where none is given.
        folder: Folder that the path of a config starts from.

    Raises:
        UsageError: for a parameter that was given by both names.
    """
    renamed = {old: rename for old, rename in of_parameters(workflow).items() if old not in declared}
    moved = {old: moved for old, moved in to_config(workflow).items() if old not in declared}
    values: dict[str, str] = {}
    for name, value in given.items():
        if name in moved:
            continue
        rename = renamed.get(name)
        present = rename.new if rename else name
        if present in values or (rename and present in given):
            raise UsageError(f"{present} was given twice, also by its old name {name}; give {present} alone")
        if rename:
            rename.warn()
        values[present] = value
    if used := {name: value for name, value in given.items() if name in moved}:
        values[CONFIG.name] = _as_config(used, moved, values.get(CONFIG.name), base, folder)
    return values


@dataclass(frozen=True)
class Moved:
    """A parameter of a workflow that is now an option of stages, in a config."""

    old: str
    options: tuple[tuple[str, str], ...]
    removed_in: str

    def warn(self) -> None:
        """Tell the user of the parameter what to write into a config, once in a process."""
        now = " and ".join(f"{stage}: {option}" for stage, option in self.options)
        _warn(
            f"the parameter {self.old} is now an option in `config` ({now}); the parameter is accepted until release"
            f" {self.removed_in}"
        )


def to_config(workflow: str) -> dict[str, Moved]:
    """Return the parameters of a workflow that went into its config, by their names."""
    found: dict[str, Moved] = {}
    for each in TABLE:
        for old, now in each.to_config.get(workflow, {}).items():
            pairs = (option.partition(".") for option in now)
            found[old] = Moved(old, tuple((stage, option) for stage, _, option in pairs), each.removed_in)
    return found


def _as_config(
    used: Mapping[str, str], moved: Mapping[str, Moved], own: str | None, base: str, folder: Path | None
) -> str:
    value = base if own is None else own
    if text_or_path.is_address(value):
        raise UsageError(f"{', '.join(used)}: options of stages go into the config, {value}")
    sections = config.read(value, folder)
    for name, text in used.items():
        moved[name].warn()
        for stage, option in moved[name].options:
            if own is not None and option in sections.get(stage, {}):
                raise UsageError(
                    f"{name} was given twice, also as {stage}: {option} in the config; give the latter alone"
                )
            if text != "":
                sections.setdefault(stage, {})[option] = text
    return config.text_of(sections)


@cache
def _warn(sentence: str) -> None:
    log.warning("%s", sentence)


def forget_warnings() -> None:
    """Let each warning be given once more."""
    _warn.cache_clear()
