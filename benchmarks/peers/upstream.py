"""GPT-SoVITS itself, and forks that kept its modules, from a checkout or from the wheel of gpt-sovits-cpufast."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

REQUIREMENTS = ("gpt-sovits-cpufast==0.1.0", "torchmetrics", "lightning-utilities", "packaging")
"""Of the fork, installed without their dependencies: it runs on our torch, so that only the code differs."""


def load(folder: Path, given: dict[str, np.ndarray], threads: int, variant: str) -> dict[str, Callable[[], int]]:
    """Return the tasks; see `ours`. `variant` is the folder that holds `GPT_SoVITS/`."""
    import torch

    torch.set_num_threads(threads)
    sys.path[:0] = [str(Path(variant, "GPT_SoVITS")), variant]
    os.chdir(variant)
    import AR.models.t2s_model as t2s  # pyright: ignore[reportMissingImports]
    from module.models import SynthesizerTrn  # pyright: ignore[reportMissingImports]

    t2s.tqdm = lambda steps, *_, **__: steps
    tensors = {name: torch.from_numpy(value) for name, value in given.items()}
    token = torch.load(folder / "gpt.ckpt", map_location="cpu", weights_only=False)
    decoder = t2s.Text2SemanticDecoder(config=token["config"])
    decoder.load_state_dict({key.removeprefix("model."): value.float() for key, value in token["weight"].items()})
    decoder.eval()
    acoustic = torch.load(folder / "sovits.pth", map_location="cpu", weights_only=False)
    # Ours says more of a model than its own configuration does.
    model = {key: value for key, value in acoustic["config"]["model"].items() if key != "spec_channels"}
    generator = SynthesizerTrn(1025, 32, n_speakers=300, **{**model, "version": "v2"})
    generator.load_state_dict({key: value.float() for key, value in acoustic["weight"].items()}, strict=False)
    generator.eval()
    phones = torch.cat([tensors["ref_phones"], tensors["phones"]])[None]
    bert = torch.cat([tensors["ref_bert"], tensors["bert"]]).T.contiguous()[None]
    length, count = torch.tensor([phones.shape[1]]), int(given["count"])
    window = torch.hann_window(2048)
    padded = torch.nn.functional.pad(tensors["audio"][None], (704, 704), mode="reflect")
    spectrogram = torch.stft(padded, 2048, 640, 2048, window, center=False, return_complex=True).abs()

    @torch.inference_mode()
    def tokens() -> int:
        prompt = generator.extract_latent(tensors["ssl"])[0, 0][None]
        y, _ = decoder.infer_panel(phones, length, prompt, bert, top_k=15, top_p=1.0, early_stop_num=count - 1)
        return y.shape[1] - prompt.shape[1]

    @torch.inference_mode()
    def sound() -> int:
        spoken = tensors["tokens"][None, None]
        return generator.decode(spoken, tensors["phones"][None], [spectrogram]).shape[-1]

    return {"tokens": tokens, "sound": sound}
