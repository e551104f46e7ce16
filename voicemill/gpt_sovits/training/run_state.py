"""What the training of both models shares: the state that survives a kill, metrics, precision, the micro-batch."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler

from voicemill.core.errors import InputError, TryAgain, VoicemillError
from voicemill.core.files import atomic
from voicemill.core.hardware import use_gpu

Log = Callable[..., None]


def _nothing(*_: Any) -> None:
    """Says nothing."""


class RunState:
    """The folder that a training run resumes from after it was killed.

    Holds   checkpoint.pt    everything that the next step depends on, replaced as a whole
            weights/         finished weights files
            metrics.jsonl    one row a step or epoch; rows after the checkpoint are dropped on resuming
            tensorboard/     the same for TensorBoard, to look at while it trains

    Args:
        folder: The stage's state folder.
        fingerprint: Digest of all that the run's result depends on. A checkpoint of another run is not resumed from.
        log: Takes messages for the user.
    """

    def __init__(self, folder: Path, fingerprint: str, log: Callable[[str], None] = _nothing):
        self.folder, self.fingerprint, self.log = folder, fingerprint, log
        self.weights = folder / "weights"
        self.metrics = folder / "metrics.jsonl"
        self.tensorboard = folder / "tensorboard"
        self.weights.mkdir(parents=True, exist_ok=True)
        self._board: Any = None
        self._divergences = folder / "divergences.txt"

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def load(self, fits: Callable[[dict[str, Any]], bool] = lambda run: True) -> dict[str, Any] | None:
        """Return the state to resume from, or None at the start of a run.

        Args:
            fits: Whether a state of this run can be resumed from.

        Raises:
            InputError: When there is a checkpoint that cannot be read: starting over silently would cost hours.
        """
        state = None
        if self._checkpoint.exists():
            try:
                state = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
            except Exception as error:
                raise InputError(f"{self._checkpoint} cannot be read ({error}); delete it to start over") from error
            if state["fingerprint"] != self.fingerprint or not fits(state["run"]):
                self.log(
                    "the saved state belongs to a run with other data or parameters: starting from the base weights"
                )
                state = None
        kept_bytes = state["metrics_bytes"] if state else 0
        if not state:
            self._checkpoint.unlink(missing_ok=True)
            self._divergences.unlink(missing_ok=True)
            for path in self.weights.iterdir():
                path.unlink()
        if self.metrics.exists():
            os.truncate(self.metrics, kept_bytes)
        self._open_board(purge_step=state["step"] + 1 if state else 0)
        if state:
            torch.set_rng_state(state["random"])
            if state["random_gpu"] is not None and torch.cuda.is_available():
                torch.cuda.set_rng_state(state["random_gpu"])
            return state["run"]
        return None

    def save(self, step: int, run: dict[str, Any]) -> None:
        """Replace the checkpoint.

        Args:
            step: Optimizer steps done, for the metrics.
            run: State dicts and numbers of the run; the state of torch's random numbers is added.
        """
        state = {
            "run": run,
            "fingerprint": self.fingerprint,
            "step": step,
            "metrics_bytes": self.metrics.stat().st_size if self.metrics.exists() else 0,
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None,
        }
        with atomic(self._checkpoint, is_folder=False) as partial, partial.open("wb") as file:
            torch.save(state, file)

    def after_divergence(self, what: str, advice: str, *, may_pass: bool) -> VoicemillError:
        """Return the error to end a diverged run with; the checkpoint stays what it was.

        Args:
            what: What happened and when.
            advice: How the user may fix it.
            may_pass: Whether the same steps may go well another time, as they may on a GPU, which adds in any order.

        Returns:
            `TryAgain` for the first time where that makes sense, to resume from the checkpoint; else `InputError`.
        """
        times = int(self._divergences.read_text()) + 1 if self._divergences.exists() else 1
        self._divergences.write_text(str(times))
        kept = (
            f"the last good state is kept in {self.folder}" if self._checkpoint.exists() else "no state was saved yet"
        )
        if may_pass and times == 1:
            return TryAgain(f"{what}; {kept}, from which the next attempt resumes")
        return InputError(f"{what}; {advice}. {kept[0].upper()}{kept[1:]}")

    def log_metrics(self, step: int, **values: float | int | str) -> None:
        """Add a row to the metrics; numbers go to TensorBoard too. No clock times: equal runs have equal metrics."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in _figures(values).items():
            self._board.add_scalar(name, value, step)

    def export_metrics(self, folder: Path) -> None:
        """Put the metrics into a folder, as rows and in `tensorboard/`; equal metrics give equal bytes."""
        shutil.copy2(self.metrics, folder)
        _write_board(self.metrics, folder / "tensorboard")

    def forget(self, pattern: str) -> None:
        """Delete weights files, by a pattern of their names, that a better epoch has taken the place of."""
        for path in self.weights.glob(f"{pattern}.safetensors"):
            path.unlink()

    def close(self) -> None:
        self._board.close()

    def _open_board(self, purge_step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self.tensorboard.mkdir(exist_ok=True)
        self._board = SummaryWriter(str(self.tensorboard), purge_step=purge_step)


def _figures(row: dict[str, Any]) -> dict[str, float]:
    """Return the values of a row of metrics that are drawn."""
    drawn = {name: value for name, value in row.items() if isinstance(value, int | float)}
    return {name: value for name, value in drawn.items() if name not in ("step", "epoch")}


def _write_board(metrics: Path, folder: Path) -> None:
    """Write rows of metrics as TensorBoard reads them.

    torch's writer puts the time of day into the events and, with the machine's name, into that of their file. Here the
    step stands in the place of the time.
    """
    from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
    from tensorboard.summary.writer.record_writer import RecordWriter
    from torch.utils.tensorboard.summary import scalar

    folder.mkdir()
    with (folder / "events.out.tfevents.metrics").open("wb") as file:
        events = RecordWriter(file)
        events.write(Event(wall_time=0, file_version="brain.Event:2").SerializeToString())
        for line in metrics.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            for name, value in _figures(row).items():
                event = Event(wall_time=row["step"], step=row["step"], summary=scalar(name, value))
                events.write(event.SerializeToString())


def choose_device() -> torch.device:
    """Return the GPU where there is one, else the CPU.

    Raises:
        BrokenGpu: a GPU was given and does not work.
    """
    return torch.device("cuda" if use_gpu(torch.cuda.is_available()) else "cpu")


class Precision:
    """Mixed precision on a GPU: bf16 where the card has it, else fp16 with scaled losses; fp32 on a CPU.

    Args:
        name: `auto`, `fp32`, `bf16` or `fp16`.
        device: Where the model is.
    """

    def __init__(self, name: str, device: torch.device):
        if name == "auto":
            name = "fp32" if device.type == "cpu" else "bf16" if torch.cuda.is_bf16_supported() else "fp16"
        self.name, self.device = name, device
        self.dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
        self.scaler = GradScaler(device.type, enabled=name == "fp16")

    @property
    def may_differ(self) -> bool:
        """Whether the same steps may give other numbers another time."""
        return self.device.type == "cuda" and not torch.are_deterministic_algorithms_enabled()

    def autocast(self) -> AbstractContextManager:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)


def write_parameters(weights: Path, recipe: dict[str, Any], precision: str, version: str, base: Path) -> None:
    """Say beside the weights how they were trained; publish puts it into the voice's lineage.

    Args:
        weights: Folder of the weights files; gets `parameters.json`.
        recipe: What the training was told, by the names of the recipe's fields.
        precision: Name of the arithmetic.
        version: Model version.
        base: File of the base weights.
    """
    parameters = {**recipe, "precision": precision, "version": version, "base": base.name}
    (weights / "parameters.json").write_text(json.dumps(parameters, indent=2) + "\n", encoding="utf-8")


def first_micro_batch(
    batch_size: int, item_bytes: float, fixed_bytes: float, device: torch.device, divisor: int
) -> int:
    """Return how many items to take through the model at once so that they fit into the memory that is free.

    Args:
        batch_size: Items of a whole batch, over which gradients are summed.
        item_bytes: Memory that one of the longest items takes on its way forward and back.
        fixed_bytes: Memory for what is yet to be allocated whatever the batch: gradients, optimizer state.
        device: A CPU takes the whole batch.
        divisor: Halves the answer once for each try that ran out of memory.
    """
    fits = batch_size
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        fits = int((0.9 * free - fixed_bytes) // item_bytes)
    return max(1, min(batch_size, fits) // divisor)
