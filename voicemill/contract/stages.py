"""The `@stage` decorator: a function becomes a command, an Argo template, and stays a function."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec

import click

from voicemill.contract import command_line, renames, reuse, state, template
from voicemill.contract.declaration import CONFIG, ArtifactField, Declaration, ParameterField, declare
from voicemill.contract.gpu_use import GpuUse
from voicemill.contract.ledger import Ledger, as_json, latest
from voicemill.contract.progress import stopping_on_signals
from voicemill.contract.template import MoreGpuMemory
from voicemill.core import files, hardware, logs
from voicemill.core.display import safe_message
from voicemill.core.errors import BrokenGpu, OutOfGpuMemory, UsageError, VoicemillError, known
from voicemill.core.extras import needs

if TYPE_CHECKING:
    from hera.workflows import Container

_OF_TASK = ("reused_from", "gpu_class", "gpu_seconds", "reused_gpu_seconds")
"""Notes that each line of the ledger repeats, so that a run's ledgers tell what it reused and what it cost."""

P = ParamSpec("P")
log = logs.get_logger(__name__)


class Stage(Generic[P]):
    """A stage: call it with plain paths, run its `main`, or take its `container`.

    Attributes:
        declaration: What it reads, writes and can be told.
        family: The extra of pyproject.toml that it needs, and the layers that its image stands on.
        results: Fields of the summary that become output parameters of their own.
        kept: Output artifacts that outlive their workflow.
        conducts: Whether it makes and ends workflows itself.
        check: Says which parameters do not go together; takes those that it is about by name.
    """

    def __init__(
        self,
        function: Callable[P, Ledger],
        *,
        family: str,
        cpu: float,
        memory: str,
        gpu_memory: str | None,
        more_gpu_memory: MoreGpuMemory | None = None,
        results: tuple[str, ...],
        kept: tuple[str, ...] = (),
        conducts: bool = False,
        check: Callable[..., None] | None = None,
    ) -> None:
        update_wrapper(self, function)
        self.check = check
        self.function = function
        self.family = family
        self.cpu = cpu
        self.memory = memory
        self.gpu_memory = gpu_memory
        self.more_gpu_memory = more_gpu_memory
        self.results = results
        self.kept = kept
        self.conducts = conducts
        self.declaration: Declaration = declare(function, _module_of(function))

    @property
    def name(self) -> str:
        return self.declaration.name

    @property
    def image(self) -> str:
        """Target of images/Containerfile that makes its image."""
        return self.name

    @property
    def is_reusable(self) -> bool:
        """Whether a run on a cluster takes over what an earlier one made: what needs a GPU, where it is possible."""
        return self.gpu_memory is not None and reuse.is_possible(self.declaration)

    @property
    def inputs(self) -> tuple[ArtifactField, ...]:
        return self.declaration.of_role("input")

    @property
    def outputs(self) -> tuple[ArtifactField, ...]:
        return self.declaration.of_role("output")

    @property
    def parameters(self) -> tuple[ParameterField, ...]:
        return self.declaration.parameters

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Ledger:
        """Run the stage: outputs appear whole when it returns, and every input item is accounted for."""
        names = [artifact.field for artifact in self.declaration.artifacts]
        return self._run({**dict(zip(names, args, strict=False)), **kwargs})

    def check_together(self, given: Mapping[str, Any]) -> None:
        """Check that parameters go together, before anything is read.

        Args:
            given: Values by the function's argument names; the others have their defaults.

        Raises:
            UsageError: naming the options that do not.
        """
        if self.check is not None:
            self.check(**{field.field: given.get(field.field, field.default) for field in self.checked_together})

    @property
    def checked_together(self) -> tuple[ParameterField, ...]:
        """The parameters that `check` takes."""
        if self.check is None:
            return ()
        named = inspect.signature(self.check).parameters
        return tuple(field for field in self.parameters if field.field in named)

    def container(
        self, *, image: str | None = None, keys: str | None = None, reuse_mode: str = "", **overrides: Any
    ) -> Container:
        """Return the stage as a Hera template, which brings all that its pod needs, so that any workflow can have it.

        Within a workflow's context (`with Workflow(...):`) it is added to it, under the stage's name.

        Args:
            image: Full image reference; by default the published image's name without a registry.
            keys: Prefix of the S3 keys of its artifacts; None leaves them to the artifact repository.
            reuse_mode: `auto` takes over what an earlier run made from the same, where the stage can be reused and
                `keys` are given; or a tag of Argo's, such as `{{workflow.parameters.reuse}}`. Empty reuses nothing.
            **overrides: See `voicemill.contract.template.container`.
        """
        return template.container(
            self.declaration,
            image=image or template.default_image(self.image),
            cpu=overrides.pop("cpu", self.cpu),
            memory=overrides.pop("memory", self.memory),
            gpu_memory=self.gpu_memory,
            more_gpu_memory=self.more_gpu_memory,
            results=self.results,
            kept=self.kept,
            conducts=self.conducts,
            keys=keys,
            reuse=reuse_mode if self.is_reusable else "",
            **overrides,
        )

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """The stage's command line; ends the process with the exit code that the contract promises."""
        logs.set_up(self.name)
        spec = sys.modules["__main__"].__spec__
        if spec and (rename := renames.of_module(spec.name)):
            rename.warn()
        sys.exit(self.run(sys.argv[1:] if arguments is None else arguments))

    def run(self, arguments: Sequence[str]) -> int:
        """Run the command line and return its exit code."""
        try:
            with stopping_on_signals(resumable=bool(self.declaration.of_role("state"))):
                command = command_line.command(self.declaration, self.results, self._command)
                command.main(list(arguments), prog_name=f"voicemill stage {self.name}", standalone_mode=False)
            return 0
        except click.UsageError as error:
            sentence = safe_message(error.format_message())
            click.UsageError(sentence, ctx=error.ctx).show()
            _leave_word(sentence)
            return UsageError.exit_code
        except Exception as error:
            told = _known(error)
            _leave_word(str(told) if told else f"{self.name} failed unexpectedly: {type(error).__name__}: {error}")
            if told is None:
                log.exception("%s failed unexpectedly: %s", self.name, error)
                return 1
            if isinstance(told, OutOfGpuMemory):
                log.warning("out of memory at:", exc_info=error)
            log.error("%s", told)
            return told.exit_code

    def _command(self, *, summary: Path | None, ledger: Path | None, result: dict[str, Path], **values: Any) -> None:
        context = {"stage": self.name, "speaker": os.environ.get("VOICEMILL_SPEAKER", "")}
        context = {key: value for key, value in context.items() if value}
        written = ledger or self._ledger_beside_output(values)
        latest.set(None)
        use = GpuUse(self.name, self.gpu_memory)
        try:
            record = self._reused_or_run(values, use)
        except BaseException:
            # A failed stage's ledger says which items failed it, and what the try has cost.
            if written and (unfinished := latest.get()):
                files.write_text(written, unfinished.lines(**context, **use.fields()))
            raise
        if written:
            of_task = {name: record.notes[name] for name in _OF_TASK if name in record.notes}
            files.write_text(written, record.lines(**context, **of_task))
        fields = {**context, **record.summary()}
        for name, path in result.items():
            assert name in fields, f"{self.name} promises the result {name} and did not note it"
            files.write_text(path, fields[name] if isinstance(fields[name], str) else as_json(fields[name]))
        text = as_json(fields)
        if summary:
            files.write_text(summary, text)
        else:
            click.echo(text)

    def _reused_or_run(self, values: dict[str, Any], use: GpuUse) -> Ledger:
        task = reuse.task(self.declaration, values) if self.is_reusable else None
        if task is not None and (reused := task.take(values)):
            reused.note(**use.fields())
            return reused
        record = self._run(dict(values))
        record.note(**use.fields())
        if task is not None:
            task.remember(values, record)
        return record

    def _run(self, values: dict[str, Any]) -> Ledger:
        self.check_together(values)
        with ExitStack() as stack:
            for artifact in self.outputs:
                if values.get(artifact.field) is not None:
                    target = Path(values[artifact.field])
                    whole = files.atomic(target, is_folder=artifact.kind.is_folder)
                    values[artifact.field] = stack.enter_context(whole)
            for artifact in self.declaration.of_role("state"):
                sent = values.pop(artifact.sent_field, None)
                if values.get(artifact.field) is not None:
                    values[artifact.field] = stack.enter_context(state.kept(values[artifact.field], sent))
            if not self.declaration.takes_config:
                values.pop(CONFIG.field, None)
            for recipe in self.declaration.recipes:
                recipe.gather(values)
            with needs(self.family):
                record = self.function(**values)  # pyright: ignore[reportCallIssue]
            record.close()
            return record

    def _ledger_beside_output(self, values: dict[str, Any]) -> Path | None:
        targets = [values[artifact.field] for artifact in self.outputs if values.get(artifact.field)]
        return targets[0].with_name(targets[0].name + ".ledger.jsonl") if targets else None


def stage(
    *,
    family: str,
    cpu: float = 1,
    memory: str = "2Gi",
    gpu_memory: str | None = None,
    more_gpu_memory: MoreGpuMemory | None = None,
    results: tuple[str, ...] = (),
    kept: tuple[str, ...] = (),
    conducts: bool = False,
    check: Callable[..., None] | None = None,
) -> Callable[[Callable[P, Ledger]], Stage[P]]:
    """Declare a stage.

    Args:
        family: The extra of pyproject.toml with what the stage imports. Stages of one family share the layers of their
            images.
        cpu: Cores it asks for.
        memory: Host memory it asks for, `4Gi`.
        gpu_memory: Memory that the GPU must have, `4Gi` or `6Gi`; the stage works on a CPU too.
        more_gpu_memory: With which values of a parameter the GPU must have more.
        results: Fields of the summary that `when` gates read, each an output parameter of its own.
        kept: Output artifacts that a run is made for: they stay when its workflow is deleted.
        conducts: Whether it makes and ends workflows itself, for which its pod needs other rights.
        check: Raises a UsageError where parameters do not go together. It takes those that it is about by name, and is
            called before anything is read, also for a workflow's parameters before it starts.
    """

    def declare_stage(function: Callable[P, Ledger]) -> Stage[P]:
        return Stage(
            function,
            family=family,
            cpu=cpu,
            memory=memory,
            gpu_memory=gpu_memory,
            more_gpu_memory=more_gpu_memory,
            results=results,
            kept=kept,
            conducts=conducts,
            check=check,
        )

    return declare_stage


def _module_of(function: Callable[..., Any]) -> str:
    if function.__module__ != "__main__":
        return function.__module__
    spec = sys.modules["__main__"].__spec__
    if spec is None:
        return Path(sys.argv[0]).stem
    name = renames.present_module(spec.name)
    # In a checkout `python -m stages.slice` is the same stage as `python -m voicemill.stages.slice`.
    return f"voicemill.{name}" if name.startswith("stages.") else name


def _leave_word(sentence: str) -> None:
    """Leave a sentence where Kubernetes takes it up as the message of a failed pod, for `argo get` and its like."""
    place = os.environ.get("VOICEMILL_TERMINATION_LOG")
    if place and Path(place).is_file():
        with suppress(OSError):
            # More than 4 KiB is not kept.
            Path(place).write_bytes(sentence.encode()[:4096])


def _known(error: BaseException) -> VoicemillError | None:
    """The error in the contract's terms, or None for a bug. Told by name, so that no heavy library is imported."""
    if found := known(error):
        return found
    text = str(error).lower()
    if hardware.is_cuda_failure(error):
        return BrokenGpu(f"the GPU failed{hardware.on_node()}: {error}")
    by_text = "out of memory" in text or "can't allocate memory" in text or "cublas_status_alloc_failed" in text
    if type(error).__name__ in ("OutOfMemoryError", "MemoryError") or (isinstance(error, RuntimeError) and by_text):
        return OutOfGpuMemory(f"out of memory: {error}")
    return None
