"""What the machine has, found out without importing torch."""

import shutil
import subprocess


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
