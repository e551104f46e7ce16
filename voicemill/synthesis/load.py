"""From weights to something that speaks by torch, with the pretrained models that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from voicemill.core.errors import InputError, UsageError
from voicemill.core.extras import needs
from voicemill.gpt_sovits.features import bert, hubert
from voicemill.gpt_sovits.flow_matching.model import MelGenerator
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.formats.checkpoints import SovitsCheckpoint
from voicemill.gpt_sovits.formats.vocoders import load_vocoder
from voicemill.gpt_sovits.gpt.choosing import TokenDecoder
from voicemill.gpt_sovits.gpt.model import Gpt
from voicemill.gpt_sovits.sovits.model import Generator
from voicemill.gpt_sovits.synthesis.fragments import without_bert
from voicemill.gpt_sovits.synthesis.recordings import SpeakerEncoder
from voicemill.gpt_sovits.synthesis.synthesizer import Synthesizer
from voicemill.gpt_sovits.training.run_state import choose_device
from voicemill.models import locate
from voicemill.synthesis import watermark as watermarks
from voicemill.text import BY_DICTIONARIES, Reading

if TYPE_CHECKING:
    from transformers import HubertModel


ONNX_BITS = {"auto": 32, "fp32": 32, "int8": 8}
"""Bits of a token model's weights in ONNX Runtime, by precision."""


class Pretrained:
    """The models that stand before every voice, each loaded when it is first needed.

    Args:
        models: Models folder.
        device: Where to compute; None takes the GPU where there is one.
    """

    def __init__(self, models: Path, device: torch.device | str | None = None):
        self.models, self.device = models, choose_device() if device is None else torch.device(device)

    @cached_property
    def hubert(self) -> HubertModel:
        return hubert.load(locate(self.models, "hubert"), self.device)

    @cached_property
    def bert(self) -> bert.Bert:
        return bert.load(locate(self.models, "bert"), self.device)

    @cached_property
    def speaker_encoder(self) -> SpeakerEncoder:
        from voicemill.gpt_sovits.features import speaker_encoder as speaker_vectors

        return speaker_vectors.load(locate(self.models, "speaker-encoder"), self.device)

    def content(self, wav16k: np.ndarray) -> torch.Tensor:
        """HuBERT's features of samples `[n]` at 16 kHz; the model is loaded when it is first asked."""
        return hubert.features(self.hubert, wav16k)

    def speaker_vector(self, wav_1n: torch.Tensor) -> torch.Tensor:
        """Speaker vector `[1, 20480]` of samples at 16 kHz; the model is loaded when it is first asked."""
        return self.speaker_encoder(wav_1n)

    def bert_features(self, segments: Sequence[Any]) -> np.ndarray:
        """BERT rows of a text's segments; the model is only loaded for Mandarin."""
        if any(segment.language == "zh" for segment in segments):
            return bert.segment_features(self.bert, segments).numpy()
        return without_bert(segments)

    @cached_property
    def _bases(self) -> dict[str, SovitsCheckpoint]:
        """Bases that LoRAs were merged into; of one voice's epochs it is the same for all."""
        return {}

    def generator(self, sovits: Path) -> Generator | MelGenerator:
        """Return an acoustic model, for inference.

        Raises:
            InputError: When the file cannot be read or is another kind of model.
            MissingModelError: When what it needs beside it is not in the models folder.
        """
        return self._generator(checkpoints.load_sovits(sovits), sovits)

    def _generator(self, acoustic: SovitsCheckpoint, path: Path) -> Generator | MelGenerator:
        version = acoustic.version
        if not acoustic.config.spec.mel:
            return checkpoints.build_generator(acoustic, self.device)
        if acoustic.lora_rank and version not in self._bases:
            self._bases[version] = checkpoints.load_sovits(locate(self.models, "sovits-g", version))
        vocoder = load_vocoder(locate(self.models, "vocoder", version), self.device)
        try:
            return checkpoints.build_mel_generator(acoustic, self._bases.get(version), vocoder, self.device)
        except InputError as error:
            raise InputError(f"{path} cannot be used with the base in {self.models}: {error}") from error

    def _token_model(self, model: Gpt, runtime: Literal["torch", "onnx"], precision: str) -> Gpt | TokenDecoder:
        if runtime == "torch":
            return model
        if self.device.type != "cpu" or precision not in ONNX_BITS:
            known = " or ".join(name for name in ONNX_BITS if name != "auto")
            raise UsageError(
                f"the runtime onnx computes on a CPU in {known}, not on {self.device.type} in {precision}: "
                "change --precision or --device, or leave out --runtime"
            )
        with needs("voice"):
            from voicemill.gpt_sovits.onnx.conversion import decoder_of
        return decoder_of(model.eval(), ONNX_BITS[precision])

    def synthesizer(
        self,
        sovits: Path,
        gpt: Path,
        *,
        precision: str = "auto",
        compiled: bool = False,
        reading: Reading = BY_DICTIONARIES,
        watermark: watermarks.Choice = "auto",
        runtime: Literal["torch", "onnx"] = "torch",
    ) -> Synthesizer:
        """Return a pair of weights, ready to speak.

        Args:
            sovits: Weights of the acoustic model, ours or the reference's.
            gpt: Weights of the token model, ours or the reference's.
            precision: `auto` (half precision on a GPU), `fp32`, `bf16`, `fp16`, or `int8` on a CPU.
            compiled: Compile the vocoder when it is first used.
            reading: The user's own pronunciations, and who reads polyphones.
            watermark: Whether all that it speaks is watermarked: `auto` where the extra `watermark` is installed,
                `on` requires it, `off` leaves it out.
            runtime: What the token model runs by; `onnx` is for the CPU, in fp32 or int8.

        Raises:
            InputError: When a file cannot be read or is another kind of model.
            UsageError: When ONNX Runtime does not compute on that device, or in that precision.
            MissingModelError: When a pretrained model is not in the models folder, or the watermark not installed.
        """
        mark = watermarks.mark(watermark)
        acoustic = checkpoints.load_sovits(sovits)
        token = checkpoints.load_gpt(gpt)
        return Synthesizer(
            self._generator(acoustic, sovits),
            self._token_model(Gpt.from_checkpoint(token.config, token.weights).float(), runtime, precision),
            self.content,
            self.bert_features,
            self.speaker_vector if acoustic.config.is_pro else None,
            precision,
            compiled,
            reading=reading,
            mark=mark,
        )
