"""What the machine has, found out without importing torch."""

import os
import re
import shutil
import subprocess

from voicemill.core.errors import BrokenGpu

GPU_GIVEN = "VOICEMILL_GPU"
"""Environment variable that is set, and not empty, in a pod that was given a GPU."""
NODE = "VOICEMILL_NODE"
"""Environment variable with the name of a pod's node."""

# Of torch, cuBLAS, cuDNN, CTranslate2 and ONNX Runtime. An assertion on the device is a bug of a program's.
_FAILURE = re.compile(
    r"cuda (driver )?error|cuda failed with error|cuda failure|cudnn_status_|cublas_status_|cufft_|nccl error"
    r"|uncorrectable ecc|unspecified launch failure",
    re.IGNORECASE,
)
_NOT_ONE = re.compile(r"out of memory|alloc_failed|device-side assert|not_supported|invalid_value", re.IGNORECASE)


def gpu_memory_gib() -> float | None:
    """Return the memory of the smallest NVIDIA GPU in GiB; None without a GPU, or if its driver does not answer."""
    command = shutil.which("nvidia-smi")
    if not command:
        return None
    query = [command, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout
    except (subprocess.SubprocessError, OSError):
        return None
    sizes = [int(line) for line in answer.split() if line.isdigit()]
    return min(sizes) / 1024 if sizes else None


def use_gpu(found: bool) -> bool:
    """Return whether to compute on a GPU: whether one was found.

    Args:
        found: What the library that computes says.

    Raises:
        BrokenGpu: none was found though this pod was given one; on a CPU it would take days and hold the GPU.
    """
    if not found and os.environ.get(GPU_GIVEN):
        raise BrokenGpu(
            f"this pod was given a GPU and CUDA does not work{on_node()}: check the node's driver, container toolkit"
            " and runtime class"
        )
    return found


def on_node() -> str:
    """Return ` on the node NAME` for a sentence, in a pod that knows its node; else nothing."""
    name = os.environ.get(NODE)
    return f" on the node {name}" if name else ""


def is_cuda_failure(error: BaseException) -> bool:
    """Return whether an error is a GPU's, or its driver's, other than too little memory: ECC, Xid, a failed launch."""
    text = str(error)
    is_of_cuda = type(error).__name__ == "AcceleratorError" or _FAILURE.search(text)
    return isinstance(error, RuntimeError) and bool(is_of_cuda) and not _NOT_ONE.search(text)
