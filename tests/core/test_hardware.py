import pytest

from voicemill.core.errors import BrokenGpu
from voicemill.core.hardware import GPU_GIVEN, NODE, gpu_memory_gib, is_cuda_failure, use_gpu


@pytest.mark.parametrize(
    ("script", "gib"),
    [("echo 16384; echo 8192", 8), ("echo 15360", 15), ("echo 'No devices were found'", None), ("exit 9", None)],
)
def test_the_smallest_gpu_counts(tmp_path, monkeypatch, script, gib):
    command = tmp_path / "nvidia-smi"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert gpu_memory_gib() == gib


def test_no_driver_means_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_memory_gib() is None


def test_a_pod_that_was_given_a_gpu_does_not_compute_on_the_cpu(monkeypatch):
    monkeypatch.delenv(GPU_GIVEN, raising=False)
    assert use_gpu(True) and not use_gpu(False)
    monkeypatch.setenv(GPU_GIVEN, "6Gi")
    monkeypatch.setenv(NODE, "gpu-7")
    assert use_gpu(True)
    with pytest.raises(BrokenGpu, match="CUDA does not work on the node gpu-7") as caught:
        use_gpu(False)
    assert caught.value.exit_code == 75


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("CUDA error: uncorrectable ECC error encountered", True),
        ("CUDA error: unspecified launch failure", True),
        ("CUDA error: an illegal memory access was encountered", True),
        ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR", True),
        ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", True),
        ("CUDA failed with error unknown error", True),
        ("CUDA out of memory. Tried to allocate 2 GiB", False),
        ("CUDA error: out of memory", False),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", False),
        ("CUDA error: device-side assert triggered", False),
        ("shape mismatch", False),
    ],
)
def test_a_gpu_that_fails_is_told_from_one_that_is_full_and_from_a_bug(text, failed):
    assert is_cuda_failure(RuntimeError(text)) == failed
    assert not is_cuda_failure(ValueError(text))
