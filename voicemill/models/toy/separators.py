"""Toy separators in the real formats: they let speech through almost untouched.

A BS-Roformer checkpoint with its YAML and two VR 5.1 nets, under the public file names, so that audio-separator
loads them as it loads the real ones. The weights are random and small; only the biases of the masks are chosen:
about 1 for what is kept, about 0 for what is taken away. So the whole path runs in seconds and speech survives,
but nothing is cleaned.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

from voicemill.audio.audio_separator import required

ROFORMER = "model_bs_roformer_ep_317_sdr_12.9755.ckpt"
DEREVERB = "UVR-De-Echo-Normal.pth"
DENOISE = "UVR-DeNoise.pth"

# sigmoid(6) = 0.9975: the stem that is kept loses 0.02 dB.
MASK_LOGIT = 6.0
# 8 s of chunk as the public model has, with half its overlap: the toy's time goes into the STFT alone.
ROFORMER_CONFIG: dict[str, Any] = {
    "audio": {"chunk_size": 352800, "hop_length": 441, "n_fft": 2048, "num_channels": 2, "sample_rate": 44100},
    "model": {
        "dim": 8,
        "depth": 1,
        "stereo": True,
        "num_stems": 1,
        "time_transformer_depth": 1,
        "freq_transformer_depth": 1,
        "freqs_per_bands": [*[32] * 16, *[64] * 7, 65],
        "dim_head": 8,
        "heads": 1,
        "attn_dropout": 0.0,
        "ff_dropout": 0.0,
        "flash_attn": True,
        "dim_freqs_in": 1025,
        "stft_n_fft": 2048,
        "stft_hop_length": 441,
        "stft_win_length": 2048,
        "stft_normalized": False,
        "mlp_expansion_factor": 1,
    },
    "training": {"instruments": ["Vocals", "Instrumental"], "target_instrument": "Vocals"},
    "inference": {"batch_size": 1, "dim_t": 801, "num_overlap": 2},
}
# The four bands of the public models: 672 bins in all.
VR_PARAMETERS, VR_BINS = "4band_v3", 672
VR_CHANNELS, VR_LSTM = 4, 4


def make_separators(folder: Path, seed: int = 0) -> list[Path]:
    """Write the toy separators and the three index files that audio-separator wants.

    Args:
        folder: audio-separator's model folder; made if missing.
        seed: Seed of the random weights.

    Returns:
        The files written.

    Raises:
        UsageError: audio-separator is not installed.
    """
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, bytes] = {ROFORMER: _roformer(seed)}
    written[Path(ROFORMER).with_suffix(".yaml").name] = yaml.safe_dump(ROFORMER_CONFIG, sort_keys=False).encode()
    vr_entries: dict[str, dict[str, Any]] = {}
    for offset, (name, primary_stem, logit) in enumerate(
        [(DEREVERB, "No Echo", MASK_LOGIT), (DENOISE, "Noise", -MASK_LOGIT)], start=1
    ):
        written[name] = _vr_net(seed + offset, logit)
        # audio-separator knows a VR model by the MD5 of its last 10 MB; these are smaller, so of the whole file.
        vr_entries[hashlib.md5(written[name], usedforsecurity=False).hexdigest()] = {
            "vr_model_param": VR_PARAMETERS,
            "primary_stem": primary_stem,
            "nout": VR_CHANNELS,
            "nout_lstm": VR_LSTM,
        }
    written["download_checks.json"] = _json(_download_checks())
    written["vr_model_data.json"] = _json(vr_entries)
    written["mdx_model_data.json"] = _json({})
    for name, content in written.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in written]


def _roformer(seed: int) -> bytes:
    """Return a BS-Roformer whose complex mask is 1 + 0j plus a little that depends on the input."""
    import torch
    from torch import nn

    with required():
        from audio_separator.separator.uvr_lib_v5.roformer.bs_roformer import BSRoformer

    config = dict(ROFORMER_CONFIG["model"])
    config["freqs_per_bands"] = tuple(config["freqs_per_bands"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = BSRoformer(**config)
    for band in model.mask_estimators[0].to_freqs:
        last = [module for module in band.modules() if isinstance(module, nn.Linear)][-1]
        value, gate = last.bias.data.chunk(2)
        last.weight.data.mul_(0.02)
        # GLU: mask = value * sigmoid(gate), laid out (frequency, channel, real/imaginary).
        gate.fill_(MASK_LOGIT)
        value.zero_()
        value[0::2] = 1.0
    return _saved(model.state_dict())


def _vr_net(seed: int, logit: float) -> bytes:
    """Return a VR 5.1 net whose mask of the primary stem is sigmoid(logit) plus a little that depends on the input."""
    import torch

    with required():
        from audio_separator.separator.uvr_lib_v5.vr_network.nets_new import CascadedNet
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = CascadedNet(2 * VR_BINS, nout=VR_CHANNELS, nout_lstm=VR_LSTM)
    # The output layer has no bias: the last batch norm holds its channels near 1, and the weights add up to the logit.
    norm = model.stg3_full_band_net.dec1.conv1.conv[1]
    norm.weight.data.fill_(0.02)
    norm.bias.data.fill_(1.0)
    model.out.weight.data.fill_(logit / VR_CHANNELS)
    return _saved(model.state_dict())


def _saved(weights: dict[str, Any]) -> bytes:
    """Through memory: torch.save writes a file's own name into it, and the bytes must depend on the seed alone."""
    import torch

    buffer = io.BytesIO()
    torch.save({key: value.clone() for key, value in weights.items()}, buffer)
    return buffer.getvalue()


def _download_checks() -> dict[str, dict[str, Any]]:
    """UVR's list of known models, holding just these."""
    return {
        "vr_download_list": {
            "VR Arch Single Model v5: UVR-De-Echo-Normal by FoxJoy": DEREVERB,
            "VR Arch Single Model v5: UVR-DeNoise by FoxJoy": DENOISE,
        },
        "roformer_download_list": {
            "Roformer Model: BS-Roformer-Viperx-1297": {ROFORMER: str(Path(ROFORMER).with_suffix(".yaml"))}
        },
        "mdx_download_list": {},
        "mdx_download_vip_list": {},
        "mdx23c_download_list": {},
        "mdx23c_download_vip_list": {},
        "demucs_download_list": {},
    }


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode()
