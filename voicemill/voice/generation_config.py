"""The generation config: how a voice speaks, from its evaluation on.

It is chosen where the voice is evaluated, stands in voice.json, and everything that speaks goes by it: comparisons,
`synthesize`, the Python API. An option that is given goes before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le

from voicemill.core import untrusted
from voicemill.core.errors import InputError

if TYPE_CHECKING:
    from voicemill.gpt_sovits.synthesis import Reference

KEY = "generation"
"""Where evaluation.json and metrics.json have it."""

TextSplit = Literal["cut0", "cut1", "cut2", "cut3", "cut4", "cut5"]

_FORMER = {"beams": "num_beams", "cut": "text_split", "prompted": "use_prompt"}
"""Names in metrics.json of voices of format 1."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Options that decide how a line sounds; the defaults are those of GPT-SoVITS."""

    top_k: Annotated[int, Ge(1)] = 15
    """Sample from this many of the likeliest tokens at each step."""

    top_p: Annotated[float, Gt(0), Le(1)] = 1.0
    """Sample from the likeliest tokens that make up this probability (nucleus sampling); 1 is all."""

    temperature: Annotated[float, Ge(0)] = 1.0
    """Sampling temperature: below 1 is steadier, above 1 livelier."""

    repetition_penalty: Annotated[float, Gt(0)] = 1.35
    """Above 1 makes tokens that were spoken already less likely."""

    num_beams: Annotated[int, Ge(1), Le(16)] = 1
    """Above 1 searches for the likeliest line with this many beams instead of sampling, one line after the other."""

    text_split: TextSplit = "cut5"
    """Where lines are split into pieces: cut0 nowhere, cut1 after four phrases, cut2 at 50 characters, cut3 at the
    Chinese full stop, cut4 at the English one, cut5 at every mark."""

    use_prompt: bool = True
    """Resume from the words of the reference clip, in its manner; without, only its voice is taken on, at which a small
    base is better."""

    pause: Annotated[float, Ge(0)] = 0.3
    """Silence after each piece, in seconds."""

    speed: Annotated[float, Ge(0.25), Le(4)] = 1.0
    """Speaking rate; 2 is twice as fast."""

    sample_steps: Annotated[int, Ge(0), Le(128)] = 0
    """Steps in which v3 and v4 draw a mel spectrogram, in proportion to the time it takes; 0 takes the version's usual
    number, 32 in v3 and 8 in v4. Other versions have none."""

    guidance: Annotated[float, Ge(0), Le(10)] = 0.0
    """How far v3 and v4 go beyond what text and reference ask for (classifier-free guidance); above 0 it takes twice
    the time."""

    @classmethod
    def recorded(cls, metrics: Mapping[str, Any], name: object = "metrics.json") -> Generation:
        """Return what evaluation.json or a voice's metrics.json records; the defaults where it records nothing.

        Args:
            metrics: The document; names of earlier releases are understood.
            name: What errors call it.

        Raises:
            InputError: What is recorded cannot be spoken by.
        """
        noted = untrusted.shaped(dict[str, Any], metrics.get(KEY, {}), f"{name}: {KEY}")
        known = {field.name for field in fields(cls)}
        present = {_FORMER.get(option, option): value for option, value in noted.items()}
        return cls.read({option: value for option, value in present.items() if option in known}, f"{name}: {KEY}")

    @classmethod
    def read(cls, document: object, name: object) -> Generation:
        """Return a generation config from JSON.

        Raises:
            InputError: It cannot be spoken by.
        """
        return untrusted.shaped(cls, document, name).checked(name)

    def checked(self, name: object) -> Generation:
        """Return the same, once it is known that it can be spoken by.

        Raises:
            InputError: It cannot be; `name` is what the error calls it.
        """
        for field, hint in get_type_hints(type(self), include_extras=True).items():
            value = getattr(self, field)
            for bound in getattr(hint, "__metadata__", ()):
                if not _holds(bound, value):
                    raise InputError(f"{name} cannot be used: {field} must be {_words(bound)}, not {value}")
            if get_origin(hint) is Literal and value not in get_args(hint):
                raise InputError(
                    f"{name} cannot be used: {field} must be one of {', '.join(get_args(hint))}, not {value}"
                )
        return self

    def record(self) -> dict[str, Any]:
        """Return what evaluation.json has under `KEY`."""
        return asdict(self)

    def prompt(self, reference: Reference) -> Reference:
        """Return the reference as it is used: without its text where a line does not resume from its words."""
        return reference if self.use_prompt else replace(reference, text="")


def _holds(bound: Ge | Gt | Le, value: float) -> bool:
    match bound:
        case Ge(limit):
            return value >= limit  # pyright: ignore[reportOperatorIssue]
        case Gt(limit):
            return value > limit  # pyright: ignore[reportOperatorIssue]
        case Le(limit):
            return value <= limit  # pyright: ignore[reportOperatorIssue]


def _words(bound: Ge | Gt | Le) -> str:
    match bound:
        case Ge(limit):
            return f"at least {limit}"
        case Gt(limit):
            return f"more than {limit}"
        case Le(limit):
            return f"at most {limit}"
