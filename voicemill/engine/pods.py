"""A pod on this machine: one subprocess in a session of its own, which does not outlive the engine.

Output parameters and artifacts lie in the task's folder; paths reach the command only through Argo's variables.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from voicemill.engine.workflow import RunFolderError

RUN_MARK = "VOICEMILL_RUN"
"""Environment variable by which the processes of a run are known: the run folder's path."""

_DYING_SECONDS = 10.0

# Runs between fork and the command itself. Linux's PR_SET_PDEATHSIG (1) makes the kernel kill it when the engine dies,
# however that happens; the check of the parent closes the gap before it is set. A preexec_fn would do the same, but may
# deadlock a child of a process with threads.
_LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit(143)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    print(f"cannot run {sys.argv[2]}: {error.strerror}", file=sys.stderr)
    sys.exit(127)
"""


@dataclass
class Outcome:
    """How a process ended.

    Attributes:
        exit_code: As a shell and Kubernetes count it: 128 + number for a signal.
        timed_out: Whether it was stopped for taking longer than it may.
    """

    exit_code: int
    timed_out: bool = False


@dataclass
class Pod:
    """A command to run.

    Attributes:
        command: The program and its arguments.
        environment: What is added to this process's environment.
        folder: Working folder.
        log: File that stdout and stderr are added to.
        stdout: File for stdout alone, where its text is an output of the task.
    """

    command: list[str]
    environment: dict[str, str]
    folder: Path
    log: Path
    stdout: Path | None = None

    async def run(
        self, *, deadline: float | None, grace: float, started: Callable[[int], None] | None = None
    ) -> Outcome:
        """Run to the end; when cancelled, stop the processes first.

        Args:
            deadline: Seconds after which it is stopped; None for no limit.
            grace: Seconds between SIGTERM and SIGKILL.
            started: Called with the process id.
        """
        launcher = [sys.executable, "-ISc", _LAUNCHER, str(os.getpid()), *self.command]
        with self.log.open("ab") as log, (self.stdout or self.log).open("wb" if self.stdout else "ab") as stdout:
            process = await asyncio.create_subprocess_exec(
                *launcher,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        if started:
            started(process.pid)
        timed_out = False
        try:
            async with asyncio.timeout(deadline):
                await process.wait()
        except TimeoutError:
            timed_out = True
            await _stop(process, grace)
        except asyncio.CancelledError:
            await _stop(process, grace)
            raise
        _signal(process.pid, signal.SIGKILL)  # what it may have left in the background
        code = process.returncode or 0
        return Outcome(128 - code if code < 0 else code, timed_out)


async def _stop(process: asyncio.subprocess.Process, grace: float) -> None:
    """SIGTERM to the whole session, SIGKILL to what is left after the grace; a second request cuts the grace short."""
    _signal(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(grace):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError):
        _signal(process.pid, signal.SIGKILL)
        await process.wait()
    _signal(process.pid, signal.SIGKILL)


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def kill_orphans(run_folder: Path) -> list[int]:
    """Kill what an engine that died left running for this run folder; call it only with the run's lock held.

    What is killed may yet finish the system call that it is in, so it is waited for: nobody but the new engine's own
    processes writes to the folder from then on.

    Returns:
        The process ids killed. Empty without /proc.

    Raises:
        RunFolderError: if one is still there after ten seconds, as one that waits for a disk that does not answer.
    """
    killed: dict[int, None] = {}
    deadline = time.monotonic() + _DYING_SECONDS
    while found := _of_run(run_folder):
        if time.monotonic() > deadline:
            raise RunFolderError(f"{run_folder} is written to by processes that cannot be killed: {found}.")
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
                killed[process] = None
        time.sleep(0.01)
    return list(killed)


def _of_run(run_folder: Path) -> list[int]:
    """Return the processes of a run besides this one; a zombie has no environment any more."""
    mark = f"{RUN_MARK}={run_folder}".encode()
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if int(entry.name) != os.getpid() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found
