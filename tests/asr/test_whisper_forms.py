"""Whisper on GPUs for which CTranslate2 has no kernels: another form of the weights, or the CPU, and a note."""

import logging
from pathlib import Path
from typing import Any

import ctranslate2
import faster_whisper
import numpy as np
import pytest

from voicemill.asr import whisper
from voicemill.asr.whisper import WhisperRecognizer
from voicemill.core.errors import InputError

BLACKWELL = "cuBLAS failed with status CUBLAS_STATUS_NOT_SUPPORTED"
NO_IMAGE = "parallel_for failed: cudaErrorNoKernelImageForDevice: no kernel image is available for execution"


class FakeGpu:
    """A `WhisperModel` whose GPU computes in some forms only; where it does not, it fails as CTranslate2 does."""

    def __init__(self, computes: set[str], error: str, *, on_load: bool = False) -> None:
        self.computes, self.error, self.on_load = computes, error, on_load
        self.loaded: list[tuple[str, str]] = []

    def __call__(self, folder: str, *, device: str, compute_type: str, **_: Any) -> Any:
        self.loaded.append((device, compute_type))
        fails = device == "cuda" and compute_type not in self.computes
        if fails and self.on_load:
            raise RuntimeError(self.error)
        return _Model(self.error if fails else "")


class _Model:
    def __init__(self, error: str) -> None:
        self.error = error
        self.model = self.hf_tokenizer = self

    def feature_extractor(self, samples: np.ndarray) -> np.ndarray:
        return samples

    def encode(self, features: np.ndarray) -> np.ndarray:
        return features

    def token_to_id(self, token: str) -> int:
        return 1

    def generate(self, *_: Any, **__: Any) -> None:
        if self.error:
            raise RuntimeError(self.error)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch):
    """Put a fake GPU in the place of the real library."""

    def put(fake: FakeGpu) -> FakeGpu:
        monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
        monkeypatch.setattr(
            ctranslate2, "get_supported_compute_types", lambda device: {"int8_float16", "float16", "float32", "int8"}
        )
        monkeypatch.setattr(whisper, "load_cublas", lambda: True)
        monkeypatch.setattr(faster_whisper, "WhisperModel", fake)
        monkeypatch.setattr(faster_whisper, "BatchedInferencePipeline", lambda model: model)
        return fake

    return put


def test_a_gpu_that_computes_in_8_bits_does(gpu, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fake = gpu(FakeGpu({"int8_float16", "float16", "float32"}, BLACKWELL))
    WhisperRecognizer(tmp_path, "en")
    assert fake.loaded == [("cuda", "int8_float16")]
    assert not caplog.records


def test_on_blackwell_it_takes_half_precision(gpu, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fake = gpu(FakeGpu({"float16", "float32"}, BLACKWELL))
    with caplog.at_level(logging.WARNING):
        WhisperRecognizer(tmp_path, "en")
    assert fake.loaded[-1] == ("cuda", "float16")
    assert "cannot compute in int8_float16 on this GPU: Whisper runs in float16" in caplog.text


@pytest.mark.parametrize("on_load", [True, False])
def test_without_any_kernels_it_takes_the_cpu(
    gpu, tmp_path: Path, caplog: pytest.LogCaptureFixture, on_load: bool
) -> None:
    fake = gpu(FakeGpu(set(), NO_IMAGE, on_load=on_load))
    with caplog.at_level(logging.WARNING):
        WhisperRecognizer(tmp_path, "en")
    assert fake.loaded[-1] == ("cpu", "int8")
    assert "no kernels for this GPU" in caplog.text


def test_other_failures_are_not_taken_for_missing_kernels(gpu, tmp_path: Path) -> None:
    gpu(FakeGpu(set(), "unable to open file model.bin", on_load=True))
    with pytest.raises(InputError, match="not a Whisper model"):
        WhisperRecognizer(tmp_path, "en")
    gpu(FakeGpu(set(), "CUDA failed with error an illegal memory access"))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        WhisperRecognizer(tmp_path, "en")
