"""The HTML page of a run: one file, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from voicemill.core import gpu_cost, untrusted
from voicemill.core.safe_paths import safe_join
from voicemill.report import collect, plots, sound
from voicemill.report.collect import Pair, Run, StageRow, Transcript
from voicemill.report.rendering import render, shown

MOST_ROWS = 200
MOST_PICTURED = 6
MOST_SPOKEN = 12
GATES = ("dereverb", "denoise")


def build(run: Run) -> str:
    """Return the page.

    Args:
        run: Whatever is there of the run; parts without data are left out.
    """
    stages = collect.stage_rows(run.ledgers)
    separated = collect.separated(stages)
    transcripts = _transcripts(run.transcripts)
    evaluation = _evaluation(run.evaluation)
    lengths = _clip_seconds(run, transcripts)
    pairs = _pairs(evaluation, run.evaluation)
    references = _references(evaluation)
    states = collect.cleaning_states(run)
    measures = _measures(run.measures)
    gpu, prices = gpu_cost.of_ledgers(run.ledgers).spent, gpu_cost.prices()
    context: dict[str, Any] = {
        "run": run,
        "gpu": gpu,
        "gpu_cost": f"{prices.cost(gpu):.2f} {prices.currency}".strip() if prices else "",
        "reused": [(stage.name, stage.reused_from) for stage in stages if stage.reused_from],
        "status_kind": {"succeeded": "good", "failed": "failed", "error": "failed"}.get(run.status.lower(), "other"),
        "tiles": list(_tiles(stages, lengths, evaluation)),
        "longest": int(sound.LONGEST_SECONDS),
        "most_rows": MOST_ROWS,
        "reference": _reference(run.voice),
        "spoken": list(_spoken(run.speech)),
        "stages": stages,
        "measures": measures,
        "measure_names": list(dict.fromkeys(key for _, row in measures for key in row)),
        "gates": ([("separate", separated)] if separated is not None else [])
        + [
            (gate, sum(bool(row.get(gate)) for _, row in measures))
            for gate in GATES
            if measures and gate in measures[0][1]
        ],
        "recordings": list(_pictured(states, dict(measures))),
        "unshown_recordings": max(0, len(states) - MOST_PICTURED),
        "clip_histogram": Markup(plots.histogram(lengths, "seconds", "clips")) if lengths else "",
        "clip_facts": _clip_facts(lengths),
        "speakers": collect.speakers(stages),
        "transcripts": sorted(transcripts, key=lambda row: not row.flags),
        "flagged": sum(bool(row.flags) for row in transcripts),
        "trainings": [training for training in (_training(run, name) for name in ("sovits", "gpt")) if training],
        "pairs": pairs,
        "pair_plot": _pair_plot(pairs),
        "references": references,
        "choice": _choice(evaluation, len(pairs), len(references)),
        "facts": list(_facts(run)),
    }
    parts = {
        "listen": ("Listen", context["spoken"] or context["reference"]),
        "stages": ("Stages", stages),
        "cleaning": ("Cleaning", context["recordings"] or measures),
        "clips": ("Clips", lengths),
        "training": ("Training", context["trainings"]),
        "evaluation": ("Evaluation", pairs),
        "made-from": ("Made from", context["facts"]),
    }
    context["sections"] = [(name, title) for name, (title, content) in parts.items() if content]
    return render("voicemill.report", "page.html", **context)


def _tiles(stages: list[StageRow], lengths: list[float], evaluation: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    taken = next((stage for stage in stages if stage.name == "ingest"), None)
    if taken:
        yield {"name": "recorded", "value": f"{taken.seconds / 60:.1f}", "unit": "min"}
    if lengths:
        yield {"name": "in clips", "value": f"{sum(lengths) / 60:.1f}", "unit": "min"}
        yield {"name": "clips", "value": str(len(lengths)), "unit": ""}
    best = _best(evaluation)
    error_rate, similarity = (collect.as_number(best.get(name)) for name in ("error_rate", "similarity"))
    if error_rate is not None:
        yield {"name": "words misheard", "value": f"{100 * error_rate:.0f}", "unit": "%"}
    failing = collect.as_number(best.get("failing"))
    if failing is not None:
        yield {"name": "lines that fail", "value": f"{100 * failing:.0f}", "unit": "%"}
    if similarity is not None:
        yield {"name": "likeness", "value": f"{similarity:.2f}", "unit": "of 1"}
    if stages:
        yield {"name": "items dropped", "value": str(sum(len(stage.dropped) for stage in stages)), "unit": ""}


def _transcripts(folder: Path | None) -> list[Transcript]:
    path = folder / "transcripts.json" if folder else None
    return collect.rows_of(Transcript, collect.json_file(path, list[dict[str, Any]]) or [], path)


def _evaluation(folder: Path | None) -> dict[str, Any]:
    return collect.json_file(folder / "evaluation.json" if folder else None, dict[str, Any]) or {}


def _clip_seconds(run: Run, transcripts: list[Transcript]) -> list[float]:
    import soundfile

    if run.clips and run.clips.is_dir():
        return [soundfile.info(path).duration for path in sorted(run.clips.glob("*.wav"))]
    return [row.seconds for row in transcripts]


def _clip_facts(lengths: list[float]) -> list[tuple[str, str]]:
    if not lengths:
        return []
    ordered = sorted(lengths)
    return [
        ("clips", str(len(ordered))),
        ("in all", f"{sum(ordered) / 60:.1f} min"),
        ("shortest", f"{ordered[0]:.1f} s"),
        ("median", f"{ordered[len(ordered) // 2]:.1f} s"),
        ("longest", f"{ordered[-1]:.1f} s"),
    ]


def _measures(path: Path | None) -> list[tuple[str, dict[str, Any]]]:
    rows = collect.json_file(path, dict[str, dict[str, Any]]) or {}
    flat = {}
    for name, row in rows.items():
        flat[name] = {key: value for key, value in row.items() if not isinstance(value, dict | list)}
    return sorted(flat.items(), key=lambda item: (not any(item[1].get(gate) for gate in GATES), item[0]))


def _pictured(
    states: Mapping[str, list[tuple[str, Path]]], measures: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The recordings that went through most stages, each state at the same stretch of time and frequency scale."""

    def worst_first(name: str) -> tuple[int, float, str]:
        return -len(states[name]), collect.as_number(measures.get(name, {}).get("ovrl")) or 0.0, name

    most_changed = sorted(states, key=worst_first)
    for name in most_changed[:MOST_PICTURED]:
        start = sound.loudest_stretch(states[name][0][1])
        snippets = [(stage, sound.read_snippet(path, start)) for stage, path in states[name]]
        highest = min(max(snippet.rate for _, snippet in snippets) / 2, 16_000)
        yield {
            "name": name,
            "states": [
                {
                    "stage": stage,
                    "note": f"from {start:.0f} s of {snippet.seconds:.0f} s, {snippet.rate / 1000:g} kHz",
                    "picture": Markup(plots.wave_and_spectrogram(snippet, highest)),
                    "audio": snippet,
                }
                for stage, snippet in snippets
            ],
        }


def _training(run: Run, name: str) -> dict[str, Any] | None:
    series = collect.metric_series(getattr(run, name))
    if not series:
        return None
    steps = max(points[-1][0] for points in series.values())
    title = {"sovits": "SoVITS, the acoustic model", "gpt": "GPT, the token model"}[name]
    return {"name": title, "note": f"{steps:.0f} steps", "plot": Markup(plots.curves(series, "step"))}


def _pairs(evaluation: Mapping[str, Any], folder: Path | None) -> list[dict[str, Any]]:
    best, rows = _best(evaluation), []
    found = untrusted.shaped(list[dict[str, Any]], evaluation.get("pairs", []), "the pairs of evaluation.json")
    as_good = untrusted.shaped(list[str], evaluation.get("as_good", []), "as_good of evaluation.json")
    for row in collect.rows_of(Pair, found, "the pairs of evaluation.json"):
        is_best = (row.sovits, row.gpt) == (best.get("sovits"), best.get("gpt"))
        # Audio of the best pair only, so that the page stays small.
        audio_in = folder if is_best else None
        heard = [
            {**line, "audio": _snippet_of(audio_in, line.get("audio"))} for line in sorted(row.lines, key=_badness)
        ]
        name = f"{Path(row.sovits).stem}+{Path(row.gpt).stem}"
        rows.append({**vars(row), "best": is_best, "as_good": name in as_good, "heard": heard})
    return rows


def _badness(line: Mapping[str, Any]) -> tuple[bool, float]:
    """Return by what lines are ordered, the worst first: those that fail verification, then by errors."""
    return not line.get("causes"), -(collect.as_number(line.get("error_rate")) or 0.0)


def _references(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the best pair with each reference clip that was tried; nothing where none were."""
    references = _references_of(evaluation)
    found = untrusted.shaped(list[dict[str, Any]], references.get("tried", []), "the references of evaluation.json")
    as_good = untrusted.shaped(list[str], references.get("as_good", []), "the references of evaluation.json")
    best = _best(evaluation).get("reference")
    return [
        {**vars(row), "best": row.reference == best, "as_good": row.reference in as_good}
        for row in collect.rows_of(Pair, found, "the references of evaluation.json")
    ]


def _references_of(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    return untrusted.shaped(dict[str, Any], evaluation.get("references") or {}, "the references of evaluation.json")


def _choice(evaluation: Mapping[str, Any], pairs: int, references: int) -> list[str]:
    """Return whether the voice is understood, how sure the choices are, and what was left out, a sentence each."""
    sentences = []
    for what, count, found in (("pair", pairs, evaluation), ("reference clip", references, _references_of(evaluation))):
        confidence = collect.as_number(found.get("confidence"))
        if confidence is not None and count > 1:
            as_good = len(untrusted.shaped(list[str], found.get("as_good", []), "as_good of evaluation.json"))
            others = "none of the others"
            if as_good:
                others = "the other" if count == 2 else f"{as_good} of the {count - 1} others"
            sentences.append(
                f"Drawing the lines anew, the same {what} comes first {100 * confidence:.0f} % of the time; "
                f"{others} cannot be told from it by these lines."
            )
    if unclear := untrusted.shaped(str, evaluation.get("warning") or "", "the warning of evaluation.json"):
        sentences.insert(0, f"The voice is {unclear}.")
    left_out = untrusted.shaped(list[str], evaluation.get("left_out", []), "left_out of evaluation.json")
    return sentences + [f"Left out: {note}." for note in left_out]


def _pair_plot(pairs: list[dict[str, Any]]) -> Markup | str:
    comparable = [pair for pair in pairs if None not in (pair["error_rate"], pair["similarity"])]
    return Markup(plots.scatter_pairs(comparable)) if len(comparable) > 1 else ""


def _best(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    return untrusted.shaped(dict[str, Any], evaluation.get("best") or {}, "the best pair of evaluation.json")


def _snippet_of(folder: Path | None, name: object) -> sound.Snippet | None:
    path = safe_join(folder, str(name)) if folder and name else None
    return sound.read_snippet(path) if path and path.is_file() else None


def _reference(voice: Path | None) -> dict[str, Any] | None:
    path = voice / "voice.json" if voice else None
    manifest = collect.json_file(path, dict[str, Any])
    if not voice or not manifest:
        return None
    reference = untrusted.member(manifest, "reference", dict[str, Any], path)
    text, file = (untrusted.member(reference, name, str, path) for name in ("text", "file"))
    return {"text": text, "audio": sound.read_snippet(safe_join(voice, file))}


def _spoken(speech: Path | None) -> Iterator[dict[str, Any]]:
    """Return lines that were spoken, with what a recogniser heard in them; those that do not say their text first."""
    rows = collect.json_lines(speech / "manifest.jsonl") if speech else []
    found = [_heard(row) for row in rows]
    order = sorted(range(len(rows)), key=lambda place: not found[place]["causes"])
    for place in order[:MOST_SPOKEN]:
        snippet = _snippet_of(speech, rows[place].get("file"))
        if snippet:
            yield {"text": rows[place].get("text", ""), "audio": snippet, **found[place]}


def _heard(row: Mapping[str, Any]) -> dict[str, Any]:
    found = untrusted.shaped(dict[str, Any], row.get("verification") or {}, "a row of manifest.jsonl")
    causes = untrusted.shaped(list[str], found.get("causes", []), "a row of manifest.jsonl")
    return {"heard": found.get("heard"), "outcome": found.get("outcome"), "causes": causes}


def _facts(run: Run) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    if run.parameters:
        yield "Parameters", [(name, shown(value)) for name, value in sorted(run.parameters.items())]
    lineage = collect.json_file(run.voice / "lineage.json" if run.voice else None, dict[str, Any]) or {}
    for title, content in lineage.items():
        rows = list(_leaves(content))
        if rows:
            yield title.capitalize(), rows


def _leaves(content: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _leaves(value, f"{prefix} {name}".strip())
    elif content not in (None, ""):
        yield prefix or "text", shown(content)
