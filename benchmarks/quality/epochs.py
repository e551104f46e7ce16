"""What training does to a voice: every saved epoch of a clone-voice run speaks, beginning with the base weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.quality.measures import Summary
from benchmarks.quality.speaking import Bench
from voicemill.core.errors import InputError
from voicemill.evaluation.choosing import epoch_of, weights_in
from voicemill.gpt_sovits.formats import checkpoints
from voicemill.gpt_sovits.synthesis import Reference
from voicemill.models import locate
from voicemill.report import plots
from voicemill.report.collect import json_lines
from voicemill.voice import pronunciation
from voicemill.voice.manifest import choose_reference

_SHOWN = {"wer": "word errors", "per": "phone errors", "similarity": "similarity", "margin": "margin"}

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Training:
    """A training, epoch by epoch; epoch 0 is the base.

    Attributes:
        name: `sovits` or `gpt`.
        curves: By measure or loss the points (epoch, value).
    """

    name: str
    curves: Mapping[str, Points]

    def plot(self) -> str:
        """Return the curves as inline SVG."""
        return plots.curves(self.curves, "epoch")


def measure_epochs(bench: Bench, run: Path) -> tuple[list[Summary], list[Training]]:
    """Measure the base weights and every saved epoch of either training, the other model at its last epoch.

    Args:
        bench: Measures.
        run: Folder of a clone-voice run.

    Returns:
        A summary for each pair of weights, the base first, and the curves of both trainings.

    Raises:
        InputError: The run has no weights or no clip that can be the reference.
    """
    sovits, gpt = (
        sorted(weights_in(run / task / "weights"), key=lambda path: epoch_of(path.name))
        for task in ("train-sovits", "train-gpt")
    )
    version = checkpoints.load_sovits(sovits[-1]).config.version
    base = {name: locate(bench.models, name, version) for name in ("sovits-g", "gpt")}
    reading = pronunciation.load(bench.models, trained=run / "format" / "dataset").reading
    reference = _reference(run)
    measured: dict[tuple[Path, Path], Summary] = {}

    def measure(acoustic: Path, token: Path) -> Summary:
        pair = acoustic, token
        if pair not in measured:
            title = f"{_name('SoVITS', acoustic)}, {_name('GPT', token)}"
            synthesizer = bench.pretrained.synthesizer(acoustic, token, reading=reading)
            measured[pair] = bench.measure(title, synthesizer, reference)
        return measured[pair]

    measure(base["sovits-g"], base["gpt"])
    acoustic = {epoch_of(path.name): measure(path, gpt[-1]) for path in [base["sovits-g"], *sovits]}
    token = {epoch_of(path.name): measure(sovits[-1], path) for path in [base["gpt"], *gpt]}
    trainings = [
        Training(name, {**_measures(summaries), **epoch_losses(run / f"train-{name}" / "weights")})
        for name, summaries in (("sovits", acoustic), ("gpt", token))
    ]
    return list(measured.values()), trainings


def epoch_losses(weights: Path) -> dict[str, Points]:
    """Return the mean of each loss over the steps of each epoch, from metrics.jsonl."""
    values: dict[str, dict[float, list[float]]] = {}
    for row in json_lines(weights / "metrics.jsonl"):
        for name in row:
            if name.startswith(("loss", "validation")):
                values.setdefault(name, {}).setdefault(row["epoch"], []).append(row[name])
    return {name: [(epoch, fmean(found)) for epoch, found in sorted(of.items())] for name, of in values.items()}


def _measures(summaries: Mapping[int, Summary]) -> dict[str, Points]:
    figures = {epoch: summary.figures() for epoch, summary in sorted(summaries.items())}
    points = {
        title: [(float(epoch), figure.value) for epoch, found in figures.items() if (figure := found.get(name))]
        for name, title in _SHOWN.items()
    }
    return {title: row for title, row in points.items() if row}


def _name(model: str, weights: Path) -> str:
    epoch = epoch_of(weights.name)
    return f"{model} epoch {epoch}" if epoch else f"{model} base"


def _reference(run: Path) -> Reference:
    transcripts = run / "apply-review" / "transcripts" / "transcripts.json"
    if not transcripts.is_file():
        raise InputError(f"{run} is not a run of clone-voice that reached training: {transcripts} does not exist")
    chosen = choose_reference(json.loads(transcripts.read_text(encoding="utf-8")))
    return Reference(run / "apply-review" / "clips" / chosen["clip"], chosen["text"], chosen["language"].lower())
