"""Speaks by ONNX Runtime alone: no module that it needs imports torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from voicemill.core.errors import InputError
from voicemill.gpt_sovits.onnx.decoder import OnnxDecoder
from voicemill.gpt_sovits.onnx.sound import OnnxSound
from voicemill.gpt_sovits.synthesis.fragments import BertFeatures
from voicemill.gpt_sovits.synthesis.reference import Reference
from voicemill.gpt_sovits.synthesis.script import Mark
from voicemill.gpt_sovits.synthesis.speaker import Speaker
from voicemill.text import BY_DICTIONARIES, Reading


@dataclass
class OnnxSpeaker(Speaker):
    """The graphs of a voice that speak together.

    Attributes:
        model_version: Version of the models.
        decoder: Text to tokens.
        sound: Tokens to sound.
        bert: BERT rows.
        reading: The user's own pronunciations, and who reads polyphones.
        mark: Marks every fragment that is spoken as generated.
    """

    model_version: str
    decoder: OnnxDecoder
    sound: OnnxSound
    bert: BertFeatures
    reading: Reading = BY_DICTIONARIES
    mark: Mark | None = None

    @property
    def version(self) -> str:
        return self.model_version

    def heard(self, reference: Reference, *, has_words: bool) -> np.ndarray | None:
        """Return the tokens of a reference's recording; see `Speaker.heard`.

        Raises:
            InputError: They are not known: the graphs do not hear.
        """
        if not has_words:
            return None
        if reference.features is None:
            raise InputError(
                f"{reference.audio} was not read when the voice was exported, and a voice of ONNX graphs cannot hear it"
            )
        return reference.features.tokens_T
