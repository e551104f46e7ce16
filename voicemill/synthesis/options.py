"""A voice's generation config as the synthesizer takes it."""

from __future__ import annotations

from voicemill.gpt_sovits.gpt.lines import Sampling
from voicemill.gpt_sovits.synthesis import Options
from voicemill.voice.generation_config import Generation


def options_of(generation: Generation, batch_size: int = 1) -> Options:
    """Return the synthesizer's options.

    Args:
        generation: How the voice speaks.
        batch_size: Pieces that are spoken at a time.
    """
    sampling = Sampling(
        generation.top_k,
        generation.top_p,
        generation.temperature,
        generation.repetition_penalty,
        generation.num_beams,
    )
    return Options(
        sampling,
        generation.text_split,
        generation.pause,
        batch_size,
        sample_steps=generation.sample_steps or None,
        guidance=generation.guidance,
    )
