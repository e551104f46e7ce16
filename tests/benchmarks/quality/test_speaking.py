"""A published voice speaks as its voice.json says, unless another manner is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.quality.measures import Sentence, Summary
from benchmarks.quality.speaking import STEADY, Bench
from voicemill.gpt_sovits.synthesis import Reference, Speech
from voicemill.synthesis.options import options_of
from voicemill.voice.generation_config import Generation

OWN = Generation(top_k=1, text_split="cut0", use_prompt=False, speed=1.25)


class Speaker:
    """Stands for a synthesizer: keeps how it was asked to speak."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def prepare(self, reference: Reference) -> Reference:
        return reference

    def script(self, line: str, language: str, **settings: Any) -> str:
        self.asked |= settings
        return line

    def perform(self, scripts: Sequence[str], prompt: Reference, options: Any) -> list[Speech]:
        self.asked |= {"options": options, "words": prompt.text}
        return [Speech(np.zeros(1600, np.float32), 16_000, {}) for _ in scripts]


class Silent:
    """Stands for a listener."""

    language = "en"

    def summarize(self, title: str, sentences: Sequence[Sentence], dropped: Mapping[str, str]) -> Summary:
        assert all(sentence.audio.is_file() for sentence in sentences)
        return Summary(title, [], dict(dropped), False)


class OneVoice(Bench):
    """A bench whose only voice is that speaker."""

    def voice(self, folder: Path) -> Any:
        voice = SimpleNamespace(generation=OWN)
        reference = Reference(folder / "reference.wav", "Her words.", "en")
        return SimpleNamespace(voice=voice, synthesizer=speakers[folder], reference=reference)


speakers: dict[Path, Any] = {}


def asked_of(folder: Path, **settings: Any) -> dict[str, Any]:
    speakers[folder] = Speaker()
    listener: Any = Silent()
    OneVoice(folder, listener, ["One.", "Two."], 7, folder / "audio", **settings).measure_voice("anna", folder)
    return speakers[folder].asked


def test_a_voice_speaks_as_its_generation_config_says(tmp_path: Path) -> None:
    asked = asked_of(tmp_path)
    assert asked["options"] == options_of(OWN)
    assert (asked["words"], asked["speed"], asked["seed"]) == ("", 1.25, 8)


def test_another_manner_goes_before_it(tmp_path: Path) -> None:
    asked = asked_of(tmp_path, options=STEADY)
    assert (asked["options"], asked["words"], asked["speed"]) == (STEADY, "Her words.", 1.0)
