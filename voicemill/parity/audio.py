"""Golden cases of reading, resampling and slicing (the spectrograms are checked beside the models that use them)."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import torch

from voicemill.audio import reading, slicing
from voicemill.audio.resampling import resample_ffmpeg, resample_sinc
from voicemill.parity.runner import Case, covers


def sliced(case: Case, settings: slicing.Settings) -> dict[str, tuple[slicing.Span, np.ndarray, np.ndarray]]:
    """Clip file name -> span, samples, int16 samples as the slicing script writes them."""
    path = case.path(case.inputs["audio"])
    audio = reading.read(path)
    samples = resample_ffmpeg(audio.samples, audio.rate, slicing.RATE)
    clips = {}
    for span in slicing.find_clips(samples, settings=settings):
        clip = samples[span.start : span.end]
        name = f"{path.name}_{span.start:010d}_{span.end:010d}.wav"
        clips[name] = (
            span,
            clip,
            slicing.to_int16(slicing.normalise(clip)),
        )
    return clips


@covers("E_audio", "slice_script")
def slice_script(case: Case) -> None:
    threshold, min_length, min_interval, hop, max_kept, peak, share, *_ = map(float, case.inputs["argv"])
    assert (peak, share) == (0.9, 0.25)
    clips = sliced(case, slicing.Settings(threshold, min_length, min_interval, hop, max_kept))
    found = {
        name: {"n": len(whole), "subtype": "PCM_16", "sha256_samples": hashlib.sha256(whole.tobytes()).hexdigest()}
        for name, (_, _, whole) in clips.items()
    }
    case.check("files", found)


@covers("E_audio", "slice_*")
def slice_recording(case: Case) -> None:
    params = case.inputs["params"]
    settings = slicing.Settings(
        params["threshold"], params["min_length"], params["min_interval"], params["hop_size"], params["max_sil_kept"]
    )
    found = [
        {
            "start": span.start,
            "end": span.end,
            "n_samples": len(clip),
            "raw_max": float(np.abs(clip).max()),
            "out_max_abs": int(np.abs(whole.astype(np.int32)).max()),
            "file_name": name,
            "int16_sha256": hashlib.sha256(whole.tobytes()).hexdigest(),
            "int16_head": whole[:8].tolist(),
            "int16_sum": int(whole.astype(np.int64).sum()),
        }
        for name, (span, clip, whole) in sliced(case, settings).items()
    ]
    case.check("chunks", found)


@covers("E_audio", "load_*")
def load(case: Case) -> None:
    rate = int(case.inputs["sr"])
    pcm = np.asarray(case.inputs["pcm16"], dtype=np.float32).T / 32768
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "case.wav")
        reading.write_wav(path, pcm, rate, "PCM_16")
        case.check("librosa16k", reading.read_mono(path, 16_000))
        case.check("ffmpeg32k", resample_ffmpeg(reading.read(path).samples, rate, 32_000))
        mean = torch.from_numpy(reading.read_mono(path))
    case.check("torchaudio32k", resample_sinc(mean, rate, 32_000))
