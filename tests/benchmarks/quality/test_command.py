"""What cannot be measured together is refused before anything is loaded or trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.quality.__main__ import options
from benchmarks.quality.few_shot import measure_minutes
from benchmarks.quality.listening import Listener
from benchmarks.quality.speaking import Bench
from voicemill.asr.pocketsphinx import PocketsphinxRecognizer
from voicemill.core.errors import InputError, UsageError


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("--voice v --out o", "--speaker"),
        ("--minutes 1,2 --speaker s --voice v --out o", "leave --voice out"),
        ("--speech f --speaker s --voice v --out o", "leave --voice out"),
        ("--speaker s --language ja --out o", "English"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        options(arguments.split())


def test_minutes_that_are_not_there_are_refused_before_the_first_training(tmp_path: Path) -> None:
    speaker = tmp_path / "anna"
    speaker.mkdir()
    for name in ("a.wav", "b.wav"):
        soundfile.write(speaker / name, np.zeros(35 * 8000), 8000)
    bench = Bench(tmp_path, Listener(PocketsphinxRecognizer(), "en", None, {}), ["Hello."], 0, tmp_path / "audio")
    with pytest.raises(InputError, match=r"last 1\.2 minutes, not 2"):
        measure_minutes(bench, speaker, [1, 2], [], tmp_path / "out")
    assert not (tmp_path / "out").exists()
