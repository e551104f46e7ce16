"""The generation config: by which options a voice speaks where it is evaluated, and where it is compared with another.

`evaluate` records them in evaluation.json, from which they go into the voice's metrics.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from voicemill.core.errors import InputError

if TYPE_CHECKING:
    from voicemill.gpt_sovits.synthesis import Options, Reference

KEY = "generation"
"""Where evaluation.json and metrics.json have it."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Options that decide how a line sounds; the defaults are those of GPT-SoVITS.

    Attributes:
        top_k: Tokens to choose from at each step.
        top_p: Choose from the likeliest tokens that make up this probability.
        temperature: Below 1 is steadier, above 1 livelier.
        repetition_penalty: Above 1 speaks the same token less often.
        beams: Above 1 searches for the likeliest line with so many beams.
        cut: Where lines are cut into pieces, `cut0` to `cut5`.
        prompted: Whether to go on from the words of the reference clip.
    """

    top_k: int = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35
    beams: int = 1
    cut: str = "cut5"
    prompted: bool = True

    @classmethod
    def of(cls, metrics: Mapping[str, Any]) -> Generation:
        """What a voice's metrics.json records; the defaults where it records nothing.

        Raises:
            InputError: What is recorded cannot be spoken by.
        """
        recorded = metrics.get(KEY, {})
        names = {field.name: type(field.default) for field in fields(cls)}
        if not isinstance(recorded, dict):
            raise InputError(f"metrics.json is damaged: {KEY} must be an object")
        known = {name: value for name, value in recorded.items() if name in names}
        for name, value in known.items():
            if type(value) is not names[name] and not (names[name] is float and type(value) is int):
                raise InputError(f"metrics.json is damaged: {KEY}.{name} must be of the type {names[name].__name__}")
        generation = cls(**known)
        try:
            generation.options()
        except ValueError as error:
            raise InputError(f"metrics.json is damaged: {KEY}: {error}") from error
        return generation

    def record(self) -> dict[str, Any]:
        """What evaluation.json has under `KEY`."""
        return asdict(self)

    def options(self) -> Options:
        """The synthesizer's options."""
        from voicemill.gpt_sovits.gpt.decoding import Sampling
        from voicemill.gpt_sovits.synthesis import Options

        sampling = Sampling(self.top_k, self.top_p, self.temperature, self.repetition_penalty, self.beams)
        return Options(sampling, self.cut)

    def prompt(self, reference: Reference) -> Reference:
        """The reference as it is used: without its text where a line does not go on from its words."""
        return reference if self.prompted else replace(reference, text="")
