"""A voice of the small base's weights, which speaks real words and is there within seconds."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests.factories import make_speaking_voice
from voicemill.models import packed
from voicemill.models.layout import place
from voicemill.voice.generation_config import Generation

STEADY = Generation(top_k=1, repetition_penalty=1.0, text_split="cut0", use_prompt=False)


@cache
def small_models() -> Path:
    """The models folder of the small base, unpacked once in a process."""
    folder = Path(mkdtemp(prefix="voicemill-small-models-"))
    packed.unpack(packed.SMALL, str(folder))
    return folder


def hearing_models(folder: Path, whisper: Path) -> Path:
    """Make a models folder of the small base with a real Whisper: that of the models folder `whisper`."""
    shutil.copytree(small_models(), folder, symlinks=True, ignore=shutil.ignore_patterns(place("whisper")))
    (folder / place("whisper")).symlink_to((whisper / place("whisper")).resolve())
    return folder


def make_voice(folder: Path, speaker: str = "ada", generation: Generation = STEADY) -> Path:
    """Make a voice folder; another generation config makes another version."""
    folder.mkdir(parents=True, exist_ok=True)
    return make_speaking_voice(folder, small_models(), speaker=speaker, prompt="", generation=generation)
