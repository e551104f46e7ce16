"""How many errors the first 10 % of the proofreading queue hold, by each signal alone and by all together.

    python -m benchmarks.proofreading_order --models MODELS --language en ../shared/data/en_lj [--heard FILE]

Each folder holds one speaker's recordings and a transcripts.csv (file|text|lang) that is right. The recogniser of the
models folder hears each recording twice, as transcribe does. Two tables for each folder:

- its own errors: which share of all of them the first 10 % of the clips hold (recall), how many of those clips have any
  (precision), and the most that any order could reach;
- errors planted in the right transcripts, which are labels then: a wrong word, dropped words (two to four), the
  transcript of another clip; one of each a draw, a hundred draws. Recall by kind, and precision.

`--heard` keeps what was heard in a file, and takes it from there.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicemill.asr import recognizer
from voicemill.asr.doubt import doubt, odd_paces, pace
from voicemill.asr.flags import flags
from voicemill.asr.orthography import consistent
from voicemill.asr.second_opinion import again, disagreement
from voicemill.asr.transcript import RATE
from voicemill.audio.reading import read_mono
from voicemill.dataset.labels import Label, read
from voicemill.text import scoring

_SHARE = 0.1
_DRAWS = 100
KINDS: tuple[str, ...] = ("wrong word", "dropped words", "swapped")


@dataclass(frozen=True)
class Heard:
    """What a recogniser heard in a clip, and what else it heard the second time."""

    text: str
    confidence: float
    others: list[str]
    seconds: float


@dataclass(frozen=True)
class Signals:
    """What a queue can be ordered by, for each clip."""

    confidence: list[float]
    pace: list[float]
    disagreement: list[float]
    together: list[float]


def listen(folder: Path, models: Path, language: str, kept: Path | None) -> list[tuple[Label, Heard]]:
    """Hear the recordings of a folder; what the file holds already is not heard again."""
    known = json.loads(kept.read_text(encoding="utf-8")) if kept and kept.is_file() else {}
    found = []
    listener = None
    for label in read(folder / "transcripts.csv"):
        name = f"{folder.name}/{label.path}"
        if name not in known:
            listener = listener or recognizer("auto", models, language)
            sound = read_mono(folder / label.path, RATE)
            first = listener.transcribe(sound)
            (others,) = again(listener)([sound], [language])
            text, *others = (consistent(one, language, "simplified") for one in (first.text, *others))
            known[name] = [text, first.confidence, others, len(sound) / RATE]
            if kept:
                kept.write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")
        found.append((label, Heard(*known[name])))
    return found


def signals(
    texts: Sequence[str],
    confidences: Sequence[float],
    others: Sequence[Sequence[str]],
    seconds: Sequence[float],
    language: str,
) -> Signals:
    """Everything that is known of some transcripts without knowing the right ones."""
    differs = [disagreement(text, other, language) for text, other in zip(texts, others, strict=True)]
    odd = odd_paces([pace(text, language, length) for text, length in zip(texts, seconds, strict=True)])
    rows = zip(differs, confidences, odd, texts, seconds, strict=True)
    together = [
        doubt(one, sure, strange, flags(text, language, length, sure, 0.0)) for one, sure, strange, text, length in rows
    ]
    return Signals([1 - one for one in confidences], odd, differs, together)


def first_tenth(values: Sequence[float]) -> list[int]:
    """The clips that stand first when the highest values do."""
    count = max(1, round(_SHARE * len(values)))
    return list(np.argsort(-np.array(values), kind="stable")[:count])


def plant(texts: Sequence[str], language: str, rng: random.Random) -> tuple[list[str], dict[int, str]]:
    """Put one error of each kind into a clip of its own."""
    changed, where = list(texts), dict(zip(rng.sample(range(len(texts)), len(KINDS)), KINDS, strict=True))
    spaced = language not in scoring.BY_CHARACTER
    for number, kind in where.items():
        units = texts[number].split() if spaced else list(texts[number])
        other = rng.choice([text for text in texts if text != texts[number]])
        if kind == "swapped":
            changed[number] = other
            continue
        if kind == "wrong word":
            span = 1 if spaced else min(2, len(units))
            at = rng.randrange(len(units) - span + 1)
            pool = other.split() if spaced else list(other)
            start = rng.randrange(max(1, len(pool) - span + 1))
            units[at : at + span] = pool[start : start + span]
        else:
            span = min(rng.randint(2, 4), len(units) - 1)
            at = rng.randrange(len(units) - span + 1)
            del units[at : at + span]
        changed[number] = (" " if spaced else "").join(units)
    return changed, where


def of_its_own(rows: Sequence[tuple[Label, Heard]], language: str) -> None:
    """Print the table of the recogniser's own errors."""
    scores = [scoring.score(label.text, heard.text, language).words for label, heard in rows]
    errors = np.array([score.errors for score in scores])
    found = signals(
        [heard.text or "-" for _, heard in rows],
        [heard.confidence for _, heard in rows],
        [heard.others for _, heard in rows],
        [heard.seconds for _, heard in rows],
        language,
    )
    print(f"own errors: {scoring.pooled(scores).rate:.1%}, {errors.sum()} in {(errors > 0).sum()} of {len(rows)} clips")
    print("| ordered by | recall | precision |\n| --- | --- | --- |")
    for name, values in (*vars(found).items(), ("(the errors themselves)", errors.tolist())):
        first = first_tenth(values)
        recall = errors[first].sum() / max(1, errors.sum())
        print(f"| {name} | {recall:.0%} | {np.mean(errors[first] > 0):.0%} |")


def planted(rows: Sequence[tuple[Label, Heard]], language: str) -> None:
    """Print the table of planted errors."""
    texts, seconds = [label.text for label, _ in rows], [heard.seconds for _, heard in rows]
    names = list(Signals.__dataclass_fields__)
    recalls: dict[str, dict[str, list[bool]]] = {name: {kind: [] for kind in KINDS} for name in names}
    precisions: dict[str, list[float]] = {name: [] for name in names}
    for seed in range(_DRAWS):
        changed, where = plant(texts, language, random.Random(seed))
        found = signals(changed, [1.0] * len(rows), [[heard.text] for _, heard in rows], seconds, language)
        for name in names:
            first = set(first_tenth(getattr(found, name)))
            precisions[name].append(len(first & where.keys()) / len(first))
            for number, kind in where.items():
                recalls[name][kind].append(number in first)
    print(f"planted errors: one of each kind in {len(rows)} clips, {_DRAWS} draws")
    print("| ordered by | " + " | ".join(KINDS) + " | precision |\n| --- |" + " --- |" * (len(KINDS) + 1))
    for name in names[1:]:
        cells = [f"{np.mean(recalls[name][kind]):.0%}" for kind in KINDS]
        print(f"| {name} | {' | '.join(cells)} | {np.mean(precisions[name]):.0%} |")


def main() -> None:
    """Print both tables for each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--language", default="en")
    parser.add_argument("--heard", type=Path)
    given = parser.parse_args()
    for folder in given.folders:
        rows = listen(folder, given.models, given.language, given.heard)
        print(f"\n{folder.name}: the first {_SHARE:.0%} of {len(rows)} clips")
        of_its_own(rows, given.language)
        planted(rows, given.language)


if __name__ == "__main__":
    main()
