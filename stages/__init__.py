"""One small program per stage, thin over the library: `python -m voicemill.stages.slice --help`.

`voicemill.stages.NAME` is the module of a stage; the stage itself, a function, is in it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

from voicemill.contract import Stage
from voicemill.contract.renames import FormerModules

FormerModules(__name__).install()

# Functions that are not called like their modules, whose names are taken: `from voicemill.stages import slice_clips`.
_FUNCTIONS = {"slice_clips": "slice", "format_dataset": "format"}


def names() -> list[str]:
    """Every stage's name, as on the command line."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def named(name: str) -> Stage[...]:
    """Return the stage of a name, `train-gpt`; its module is imported, and no heavy library by that."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return next(value for value in vars(module).values() if isinstance(value, Stage))


def every() -> Iterator[Stage[...]]:
    """Return all stages, by their names."""
    return map(named, names())


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return named(_FUNCTIONS[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
