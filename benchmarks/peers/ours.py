"""voicemill itself; variants fp32, bf16, int8, and onnx-fp32 and onnx-int8 for the token model by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from voicemill.gpt_sovits.features.spectrogram import linear_spectrogram
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.gpt.choosing import TokenDecoder
from voicemill.gpt_sovits.gpt.decoder import Decoder
from voicemill.gpt_sovits.gpt.decoding import generate
from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.kernels.linear import weights_for
from voicemill.gpt_sovits.kernels.packed_vocoder import pack_vocoder


def load(folder: Path, given: dict[str, np.ndarray], threads: int, variant: str) -> dict[str, Callable[[], int]]:
    """Return the tasks: `tokens` speaks a line's tokens, `sound` makes sound of tokens."""
    torch.set_num_threads(threads)
    tensors = {name: torch.from_numpy(value) for name, value in given.items()}
    generator = checkpoints.build_generator(checkpoints.load_sovits(folder / "sovits.pth"))
    # As `Synthesizer` has it: a coarser precision takes the vocoder with it.
    pack_vocoder(generator, torch.float32 if variant.endswith("fp32") else torch.bfloat16)
    decoder = _decoder(folder / "gpt.ckpt", variant)
    phones_X = torch.cat([tensors["ref_phones"], tensors["phones"]])
    bert_CX = torch.cat([tensors["ref_bert"], tensors["bert"]]).T.contiguous()
    count = int(given["count"])
    spectrogram = linear_spectrogram(tensors["audio"][None])

    def tokens() -> int:
        prompt_Y = generator.extract_codes(tensors["ssl"])[0, 0]
        sampling = Sampling(top_k=15)
        spoken = generate(decoder, [phones_X], [bert_CX], [prompt_Y], sampling, max_tokens=[count], seeds=[1])
        return len(spoken[0])

    def sound() -> int:
        with torch.inference_mode():
            wav_11L = generator.decode(tensors["tokens"][None, None], tensors["phones"][None], [spectrogram])
        return wav_11L.shape[-1]

    return {"tokens": tokens, "sound": sound}


def _decoder(file: Path, variant: str) -> TokenDecoder:
    token = checkpoints.load_gpt(file)
    model = Gpt.from_checkpoint(token.config, token.weights).float().eval()
    if variant.startswith("onnx"):
        from voicemill.gpt_sovits.onnx.conversion import decoder_of

        return decoder_of(model, 8 if variant.endswith("int8") else 32)
    return Decoder(model, weights_for(variant, torch.device("cpu"), model))
