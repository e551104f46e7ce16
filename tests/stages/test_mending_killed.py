"""A process of synthesize is killed while it mends lines, and resumed: the bytes are those of an undisturbed run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.small_voice import make_voice, small_models
from tests.stages.test_synthesize import manifest, spoken_of
from voicemill.stages.synthesize import synthesize

LINES = ("She put the cake on the table.", "Zsolt Wyczolkowski squeezed phlegmatic gnomes.")
OPTIONS: dict[str, Any] = {"verify": "mend", "max_tries": 2}


def test_a_process_killed_while_it_mends_leaves_what_gives_the_same_bytes(tmp_path: Path) -> None:
    voice, models, state = make_voice(tmp_path / "voice"), small_models(), tmp_path / "state"
    (tmp_path / "lines.txt").write_text("\n".join(LINES))
    given: dict[str, Any] = {"models": str(models), "text": str(tmp_path / "lines.txt"), **OPTIONS}
    command: list[Any] = [sys.executable, "-m", "voicemill.stages.synthesize", "--voice", voice, "--state", state]
    command += ["--speech", tmp_path / "killed"]
    for name, value in given.items():
        command += [f"--{name.replace('_', '-')}", value]
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        # What passed is kept before what failed is mended.
        while not list(state.glob("*.tar")):
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in state.glob("*.tar")}
    assert len(kept) == 1 and not (tmp_path / "killed").exists()

    synthesize(voice, tmp_path / "killed", state=state, **given)
    assert kept.items() < {path: path.stat().st_mtime_ns for path in state.glob("*.tar")}.items()
    synthesize(voice, tmp_path / "undisturbed", **given)
    outcomes = [row["verification"]["outcome"] for row in manifest(tmp_path / "undisturbed")]
    assert "verified" in outcomes and set(outcomes) - {"verified"}, "some passed, and there was something to mend"
    assert spoken_of(tmp_path / "killed") == spoken_of(tmp_path / "undisturbed")
    assert json.dumps(manifest(tmp_path / "killed")) == json.dumps(manifest(tmp_path / "undisturbed"))
