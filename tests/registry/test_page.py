"""The commands of docs/how-to/registry.md do what the page says."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.registry.conftest import make_voice
from tests.voice.conftest import write_pair
from voicemill.core.digests import file_digest
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.registry import names, publish, records, resolve, tombstones, versions
from voicemill.storage import Store, open_store
from voicemill.voice.manifest import Part, Voice, read_voice

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "registry.md"


def real_weights(folder: Path, work: Path) -> Path:
    """The voice with weights that can be exported."""
    work.mkdir()
    sovits, gpt = write_pair(work, "v2")
    checkpoints.save_sovits(folder / "sovits.safetensors", checkpoints.load_sovits(sovits))
    checkpoints.save_gpt(folder / "gpt.safetensors", checkpoints.load_gpt(gpt))
    parts = {
        name: Part(f"{name}.safetensors", file_digest(folder / f"{name}.safetensors"), "e8")
        for name in ("sovits", "gpt")
    }
    voice = read_voice(folder, verify=False)
    Voice(**{**vars(voice), **parts}).write(folder)
    return folder


def test_the_pages_commands_work_in_their_order(
    voicemill: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl")
    lines = [line.strip() for line in PAGE.read_text().splitlines() if line.startswith("    ")]
    commands = [line for line in lines if line.startswith(("voicemill voices", "openssl", "model_signing"))]
    assert len(commands) >= 16
    monkeypatch.setenv("VOICEMILL_REGISTRY", "registry")
    monkeypatch.chdir(tmp_path)
    registry = open_store("registry")
    first = publish(make_voice(tmp_path / "first", "first"), registry).version
    real_weights(make_voice(tmp_path / "anna-voice", "second"), tmp_path / "work")
    for command in commands:
        # What the page cannot know: the digits of a version, a bucket, and that nobody is there to be asked.
        command = command.replace("anna@0123", f"anna@{first[:6]}").replace("s3://bucket", "artifacts --yes")
        program, *words = shlex.split(command, comments=True)
        if "export" in words:
            assert promoted(registry) == versions_in_order(registry)[-1], "rolled back to what was promoted first"
        if program == "voicemill":
            assert voicemill(*words) == 0, command
        else:
            program = str(shutil.which(program) or Path(sys.executable).with_name(program))
            subprocess.run([program, *words], check=True, capture_output=True)
    assert (tmp_path / "for-gpt-sovits" / "anna.pth").is_file() and (tmp_path / "anna" / "voice.json").is_file()
    assert versions(registry, "anna") == [] and tombstones.find(registry, "anna")


def promoted(registry: Store) -> str:
    return resolve(registry, names.Reference("anna", "prod")).version


def versions_in_order(registry: Store) -> list[str]:
    return [record.version for record in records.every(registry)]
