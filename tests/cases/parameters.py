"""Wrong parameters, and texts that look like something else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

from tests.cases import Case, case
from tests.engine.running import POD, run, write
from voicemill.contract.workflow_parameters import Here, parameters_of
from voicemill.engine import workflow as workflows


def _command(folder: Path, *words: object) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=120
    )
    return ended.returncode, (ended.stderr.strip() or ended.stdout.strip())


def _stage(folder: Path, name: str, *options: object) -> tuple[int, str]:
    audio = folder / "audio"
    audio.mkdir(exist_ok=True)
    soundfile.write(audio / "noise.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    places = {"slice": ("--audio", audio, "--clips", folder / "out")}
    places["ingest"] = ("--source", case("good.flac"), "--audio", folder / "out")
    return _command(Path.cwd(), f"voicemill.stages.{name}", *places[name], *options)


def _all_refused(folder: Path, *calls: tuple[object, ...], words: tuple[str, ...]) -> tuple[str, bool]:
    got: list[str] = []
    ok = True
    for name, *options in calls:
        code, said = _stage(folder, str(name), *options)
        got.append(f"exit {code}: {said.splitlines()[-1]}")
        ok = ok and code == 64 and "Traceback" not in said and any(word in said for word in words)
    return "; ".join(got), ok and not (folder / "out").exists()


def lines_missing(folder: Path) -> tuple[str, bool]:
    """A path that is not there, to the stage and to the workflow."""
    missing = folder / "nolines.txt"
    for name in ("voice", "models"):
        (folder / name).mkdir()
    given = ("-p", "voice=voice", "-p", "models=models", "-p", f"text={missing}")
    code, said = _command(folder, "voicemill", "run", "synthesize", *given, "--out", "run")
    problems = [str(problem) for problem in parameters_of(workflows.load("synthesize")).problems({"text": "no.txt"})]
    stage = _command(
        Path.cwd(),
        *("voicemill.stages.synthesize", "--voice", folder / "voice", "--speech", folder / "speech"),
        *("--models", folder / "models", "--text", missing),
    )
    ok = code == stage[0] == 64 and "looks like a path and is not there" in said and said.count("\n") == 1
    return f"exit {code}: {said}; the stage, exit {stage[0]}: {stage[1].splitlines()[-1]}", ok and bool(problems)


def _spoken(folder: Path, text: str) -> tuple[str, bool]:
    """What a pod gets for `text` and `consent` from workflows that pass these parameters on as ours do."""
    say = {
        "name": "say",
        "inputs": {"parameters": [{"name": "text"}]},
        "outputs": {"parameters": [{"name": "said", "valueFrom": {"path": "/tmp/said"}}]},
        "container": {
            **POD,
            "args": [
                "import sys; open(sys.argv[2], 'w').write(sys.argv[1])",
                "{{inputs.parameters.text}}",
                "{{outputs.parameters.said.path}}",
            ],
        },
    }
    argument = {"parameters": [{"name": "text", "value": "{{workflow.parameters.text}}"}]}
    main = {"name": "main", "dag": {"tasks": [{"name": "say", "template": "say", "arguments": argument}]}}
    path = write(folder / "w.yaml", main, say, parameters=("text",))
    result = run(path, folder / "run", text=text)
    said = result.nodes[0].parameters.get("said", result.nodes[0].message)
    given = {"text": text, "consent": text}
    problems = parameters_of(workflows.load("clone-voice")).problems_of_values(given, Here(folder))
    return f"exit {result.exit_code}: {said}", result.exit_code == 0 and said == text and not list(problems)


def late_labels(folder: Path) -> tuple[str, bool]:
    """Files that are not there are told before anything runs, by run and by batch check."""
    for name in ("recordings", "models"):
        (folder / name).mkdir()
    missing = {"transcripts-file": "/nolabels.list", "lexicon": "/nolex.csv", "text": "/nolines.txt"}
    given = {"speaker": "anna", "source": "recordings", "models": "models", **missing}
    words = [word for name, value in given.items() for word in ("-p", f"{name}={value}")]
    code, said = _command(folder, "voicemill", "run", "clone-voice", *words, "--out", "run")
    told = [line.strip() for line in said.splitlines()[1:]]
    columns = {"speaker": "anna", "source": "recordings", **missing}
    (folder / "m.csv").write_text(f"{','.join(columns)}\n{','.join(columns.values())}\n")
    checked = _command(folder, "voicemill", "batch", "check", "m.csv", "-p", "models=models")
    ok = code == 64 and [line.partition(":")[0] for line in told] == list(missing) and not (folder / "run").exists()
    same = checked[0] == 65 and all(line in checked[1] for line in told)
    return f"exit {code}: {' | '.join(told)}; batch check, exit {checked[0]}, the same words: {same}", ok and same


CASES: dict[str, Case] = {
    "cmd:lines_missing": lines_missing,
    "cmd:lines_braces": lambda folder: _spoken(folder, "Two is {{=1+1}} now, {{workflow.name}}."),
    "cmd:lines_braces_name": lambda folder: _spoken(folder, "Dear {{name}}, hello."),
    "cmd:slice_min_interval": lambda folder: _all_refused(
        folder,
        ("slice", "--min-length", 100, "--min-interval", 300),
        words=("--min-length (100 ms) must not be shorter than --min-interval (300 ms)",),
    ),
    "cmd:slice_hop_small": lambda folder: _all_refused(
        folder,
        ("slice", "--hop", 0.01),
        ("slice", "--min-length", "inf"),
        words=("'--hop': must be at least 1", "'--min-length': must be a finite number"),
    ),
    "cmd:nan_accepted": lambda folder: _all_refused(
        folder,
        ("slice", "--threshold", "nan"),
        ("ingest", "--min-minutes", "nan"),
        words=("'--threshold': must be a finite number", "'--min-minutes': must be a finite number"),
    ),
    "cmd:late_labels": late_labels,
}
