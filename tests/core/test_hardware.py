import pytest

from voicemill.core.hardware import gpu_memory_gib


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
