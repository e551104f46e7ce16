"""How a voice speaks stands in its voice.json; voices of earlier releases have it in metrics.json."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.registry.conftest import make_voice
from voicemill.contract import Overrides
from voicemill.core.errors import InputError
from voicemill.synthesis.options import options_of
from voicemill.voice.generation_config import KEY, Generation
from voicemill.voice.manifest import FORMAT, read_voice

CHOSEN = Generation(top_k=3, temperature=0.5, num_beams=2, text_split="cut0", use_prompt=False, pause=0.5, speed=1.25)
OF_FORMAT_1 = {"top_k": 3, "temperature": 0.5, "beams": 2, "cut": "cut0", "prompted": False}


def rewritten(folder: Path, name: str, **changes: Any) -> None:
    document = json.loads((folder / name).read_text()) | changes
    (folder / name).write_text(json.dumps({key: value for key, value in document.items() if value is not None}))


def test_a_voice_says_how_it_speaks(tmp_path: Path) -> None:
    folder = make_voice(tmp_path / "voice")
    voice = read_voice(folder)
    assert (voice.format, voice.generation) == (FORMAT, Generation())
    replace(voice, generation=CHOSEN).write(folder)
    assert read_voice(folder).generation == CHOSEN
    options = options_of(CHOSEN, batch_size=4)
    assert (options.sampling.top_k, options.sampling.num_beams, options.text_split) == (3, 2, "cut0")
    assert (options.pause_seconds, options.batch_size) == (0.5, 4)


def test_a_voice_of_format_1_speaks_as_its_metrics_say(tmp_path: Path) -> None:
    folder = make_voice(tmp_path / "voice")
    rewritten(folder, "voice.json", format=1, generation=None)
    assert read_voice(folder).generation == Generation(), "nothing was recorded"
    rewritten(folder, "metrics.json", **{KEY: OF_FORMAT_1})
    assert read_voice(folder).generation == replace(CHOSEN, pause=0.3, speed=1.0)


def test_a_format_to_come_is_refused(tmp_path: Path) -> None:
    folder = make_voice(tmp_path / "voice")
    rewritten(folder, "voice.json", format=4)
    with pytest.raises(InputError, match="has format 4; this voicemill reads 1 to 3, update it"):
        read_voice(folder)


@pytest.mark.parametrize("damage", [[], {"top_k": "many"}, {"top_k": 0}, {"temperature": -1.0}, {"use_prompt": 1}])
def test_what_cannot_be_spoken_by_is_refused(damage: object, tmp_path: Path) -> None:
    folder = make_voice(tmp_path / "voice")
    with pytest.raises(InputError, match=r"metrics\.json"):
        Generation.recorded({KEY: damage})
    rewritten(folder, "voice.json", generation=damage)
    with pytest.raises(InputError, match=r"voice\.json"):
        read_voice(folder)


def test_options_that_are_given_go_before_the_voice_s_own() -> None:
    assert Overrides[Generation]({"top_k": 9}).over(CHOSEN) == replace(CHOSEN, top_k=9)
    assert Overrides[Generation]().over(CHOSEN) == CHOSEN
