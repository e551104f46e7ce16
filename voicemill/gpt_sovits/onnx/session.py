"""Sessions of ONNX Runtime."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime

from voicemill.core.errors import InputError

_ERRORS_ONLY = 3


def session(graph: Path | bytes) -> onnxruntime.InferenceSession:
    """Return a session on the CPU with `$OMP_NUM_THREADS` threads, or one a core.

    Args:
        graph: A file, or its content.

    Raises:
        InputError: If it is not a graph that this ONNX Runtime can run.
    """
    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    # 0 is one for each core.
    options.intra_op_num_threads = int(threads) if threads.isdigit() else 0
    options.log_severity_level = _ERRORS_ONLY
    source = str(graph) if isinstance(graph, Path) else graph
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        name = graph.name if isinstance(graph, Path) else "the graph"
        raise InputError(
            f"{name} cannot be run by ONNX Runtime {onnxruntime.__version__}; export the voice again: {error}"
        ) from error


def metadata(runs: onnxruntime.InferenceSession) -> dict[str, str]:
    """Return what the maker of a session's graph noted in it."""
    return dict(runs.get_modelmeta().custom_metadata_map)
