"""A voice of ONNX graphs, ready to speak without torch: what `synthesis.exporting` writes.

tokens.onnx, acoustic.onnx   in the place of the two models' weights (`voicemill.gpt_sovits.onnx`)
watermark.onnx               the network that marks speech, where it was installed when the voice was exported
onnx.json                    sizes of the models, and the weights' precision
and all else that a voice has (`voicemill.voice.manifest`); voice.json says `"runtime": "onnx"`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from voicemill.core import untrusted
from voicemill.core.display import display
from voicemill.core.errors import InputError, MissingModelError, UsageError
from voicemill.gpt_sovits.gpt.config import GptConfig
from voicemill.gpt_sovits.onnx.bert import OnnxBert
from voicemill.gpt_sovits.onnx.decoder import OnnxDecoder
from voicemill.gpt_sovits.onnx.sound import AcousticSizes, OnnxSound
from voicemill.gpt_sovits.onnx.speaker import OnnxSpeaker
from voicemill.gpt_sovits.synthesis.fragments import without_bert
from voicemill.models import locate
from voicemill.synthesis import watermark as watermarks
from voicemill.text import Reading
from voicemill.voice.manifest import Voice

SIZES = "onnx.json"
_HINT = "export the voice again"


@dataclass(frozen=True)
class Sizes:
    """What a program must know to run the graphs."""

    speaker: str
    version: str
    sampling_rate: int
    weights: str
    token_model: dict[str, Any]
    frames_per_token: int
    latent_channels: int
    speaker_channels: int

    @property
    def acoustic(self) -> AcousticSizes:
        return AcousticSizes(self.sampling_rate, self.frames_per_token, self.latent_channels, self.speaker_channels)


def check_manner(voice: Voice, runtime: str, device: str, *, compiled: bool) -> None:
    """Check that a voice of graphs is not asked for what only weights can do.

    Raises:
        UsageError: It is.
    """
    asked = {"runtime torch": runtime == "torch", f"device {device}": device != "cpu", "compiled": compiled}
    for what, is_asked in asked.items():
        if is_asked:
            raise UsageError(
                f"the voice of {voice.speaker} is made of ONNX graphs, which ONNX Runtime runs on the CPU: leave out "
                f"{what}, or use the voice that it was made of"
            )


def speaker_of(
    folder: Path, voice: Voice, precision: str, reading: Reading, watermark: watermarks.Choice, models: Path | None
) -> tuple[OnnxSpeaker, int]:
    """Return who speaks as a voice of graphs, and the size of its speaker embeddings.

    Args:
        folder: The voice, whose files have been checked against its voice.json.
        voice: Its voice.json.
        precision: `auto`, or what the token model's weights have.
        reading: The user's own pronunciations, and who reads polyphones.
        watermark: Whether all that it speaks is watermarked.
        models: Models folder with BERT as a graph, for Mandarin; None where there is none.

    Raises:
        InputError: A file is damaged.
        UsageError: The voice was exported in another precision.
        MissingModelError: A watermark is required, and there is none in the voice.
    """
    fields = untrusted.read_json(folder / SIZES, dict, hint=_HINT)
    sizes = untrusted.shaped(Sizes, fields, display(folder / SIZES), hint=_HINT)
    if precision not in ("auto", sizes.weights):
        raise UsageError(
            f"the voice of {voice.speaker} was exported in {sizes.weights} and cannot speak in {precision}: leave out "
            f"the precision, or export it with --onnx-weights {precision}"
        )
    try:
        config = GptConfig.from_dict(sizes.token_model)
    except (TypeError, ValueError) as error:
        raise InputError(f"{display(folder / SIZES)} cannot be used: {error}; {_HINT}") from error
    decoder = OnnxDecoder(folder / voice.gpt.file, config)
    sound = OnnxSound(folder / voice.sovits.file, sizes.acoustic)
    mark = watermarks.mark_by_graph(watermark, folder)
    return OnnxSpeaker(voice.version, decoder, sound, Bert(models), reading, mark), sizes.speaker_channels


class Bert:
    """BERT rows by the graph in a models folder, which is loaded when Mandarin is first read.

    Args:
        models: Models folder; None where there is none.
    """

    def __init__(self, models: Path | None):
        self._models = models

    def __call__(self, segments: Sequence[Any]) -> np.ndarray:
        """Return the rows of a text's segments; see `BertFeatures`.

        Raises:
            MissingModelError: There is Mandarin in it, and no graph to read it.
            InputError: The graph is damaged, or a sentence longer than it reads.
        """
        if all(segment.language != "zh" for segment in segments):
            return without_bert(segments)
        return self._graph(segments)

    @cached_property
    def _graph(self) -> OnnxBert:
        if self._models is None:
            raise MissingModelError(
                "Mandarin needs BERT as a graph: name a models folder in which `voicemill models export-onnx` wrote it"
            )
        return _load_bert(locate(self._models, "bert-onnx"))


@lru_cache(maxsize=1)
def _load_bert(folder: Path) -> OnnxBert:
    # It is larger than a voice, and the same for all that one process speaks with.
    return OnnxBert(folder)
