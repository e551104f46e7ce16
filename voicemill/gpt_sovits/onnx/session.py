"""Sessions of ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnxruntime

from voicemill.core.errors import BrokenModelError, InputError

ERRORS_ONLY = 3


EXPORT_AGAIN = "export the voice again"


def session(graph: Path | bytes, hint: str = EXPORT_AGAIN) -> onnxruntime.InferenceSession:
    """Return a session on the CPU with `$OMP_NUM_THREADS` threads, or one a core.

    Args:
        graph: A file, or its content.
        hint: What the user may do about a damaged one.

    Raises:
        InputError: If it is not a graph that this ONNX Runtime can run.
    """
    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    # 0 is one for each core.
    options.intra_op_num_threads = int(threads) if threads.isdigit() else 0
    options.log_severity_level = ERRORS_ONLY
    # Planning which results share memory takes longer than all else of loading (half a second of the acoustic graph);
    # the arena gives memory out again as soon. Patterns are of one length, and each line has another.
    options.enable_mem_reuse = options.enable_mem_pattern = False
    source = str(graph) if isinstance(graph, Path) else graph
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        name = graph.name if isinstance(graph, Path) else "the graph"
        raise InputError(f"{name} cannot be run by ONNX Runtime {onnxruntime.__version__}; {hint}: {error}") from error


@contextmanager
def running(graph: str, problem: str = f"does not fit the sizes in onnx.json; {EXPORT_AGAIN}") -> Iterator[None]:
    """Where a graph runs.

    Args:
        graph: Its file's name, for the sentence.
        problem: What is wrong where it cannot run: what it is given follows from the files beside it.

    Raises:
        BrokenModelError: If ONNX Runtime ends with an error.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # ONNX Runtime's errors have no common base but this
        reason = " ".join(str(error).split())
        raise BrokenModelError(f"{graph} {problem}: {reason:.200}") from error


def metadata(runs: onnxruntime.InferenceSession) -> dict[str, str]:
    """Return what the maker of a session's graph noted in it."""
    return dict(runs.get_modelmeta().custom_metadata_map)
