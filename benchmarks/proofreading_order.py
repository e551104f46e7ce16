"""How many errors the first 10 % of the proofreading queue hold, by each signal alone and by all together.

    python -m benchmarks.proofreading_order --models MODELS --heard heard.json \
        en:../shared/data/en_lj en:../shared/data/en_kathleen zh:../shared/data/zh_s0150

Each folder, with the language before it, holds one speaker's recordings and a transcripts.csv (file|text|lang) that is
right. Whisper hears each recording twice, as transcribe does. Two tables:

- its own errors: which share of all of them the first 10 % of each speaker's clips hold (recall), how many of those
  clips have any (precision), and the most that any order could reach; for all clips and for either half, odd and even
  ones, of which the weights of voicemill.asr.doubt were chosen by the odd ones, while the even ones were looked at;
- errors planted in the right transcripts, which are labels then: a wrong word, dropped words (two to four), the
  transcript of another clip; one of each a draw and a speaker, a hundred draws. Recall by kind, and precision.

`--heard` keeps what was heard in a file, and takes it from there; `--seconds` ends the hearing after that time.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from voicemill.asr.doubt import doubt, odd_paces, pace
from voicemill.asr.flags import flags
from voicemill.asr.orthography import consistent
from voicemill.asr.second_opinion import disagreement, disputed_words
from voicemill.asr.transcript import RATE
from voicemill.asr.whisper import WhisperRecognizer
from voicemill.audio.reading import read_mono
from voicemill.dataset.labels import Label, read
from voicemill.models import locate
from voicemill.text import scoring

# Of a hundred draws most texts are the same.
_disagreement, _disputed, _pace = cache(disagreement), cache(disputed_words), cache(pace)
_SHARE = 0.1
_DRAWS = 100
KINDS: tuple[str, ...] = ("wrong word", "dropped words", "swapped")

Words = Sequence[tuple[str, float]]
"""Words of a transcript, each with the chance that Whisper gives it."""


@dataclass(frozen=True)
class Heard:
    """What is known of a clip.

    Attributes:
        language: Its code.
        right: What is said.
        text: What was heard.
        confidence: Of that.
        others: What else could have been heard.
        seconds: Length.
        words: Of the text that was heard.
        right_words: Of the right one.
        planted: By kind of error a wrong transcript, and its words.
    """

    language: str
    right: str
    text: str
    confidence: float
    others: list[str]
    seconds: float
    words: Words
    right_words: Words
    planted: Mapping[str, tuple[str, Words]]


@dataclass(frozen=True)
class Signals:
    """What a queue can be ordered by, for each clip."""

    confidence: list[float]
    pace: list[float]
    disagreement: list[float]
    disputed: list[float]
    word: list[float]
    together: list[float]


def listen(folder: Path, language: str, models: Path, kept: Path | None, until: float) -> list[Heard]:
    """Hear the recordings of a folder; what the file holds already is not heard again."""
    known = json.loads(kept.read_text(encoding="utf-8")) if kept and kept.is_file() else {}
    labels = read(folder / "transcripts.csv")
    found, listener = [], None
    for number, label in enumerate(labels):
        name = f"{folder.name}/{label.path}"
        if name not in known:
            if time.monotonic() > until:
                break
            listener = listener or WhisperRecognizer(locate(models, "whisper"), language)
            known[name] = asdict(_hear(listener, folder, labels, number, language))
            if kept:
                kept.write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")
        found.append(Heard(**known[name]))
    return found


def _hear(listener: WhisperRecognizer, folder: Path, labels: Sequence[Label], number: int, language: str) -> Heard:
    label = labels[number]
    sound = read_mono(folder / label.path, RATE)
    first = listener.transcribe(sound)
    (again,) = listener.hear_again([sound], [language], [first.text])
    texts, rng = [one.text for one in labels], random.Random(number)
    planted = {kind: plant(texts, number, kind, language, rng) for kind in KINDS}
    text, *others = (consistent(one, language, "simplified") for one in (first.text, *again.texts))
    return Heard(
        language,
        label.text,
        text,
        first.confidence,
        others,
        len(sound) / RATE,
        listener.words(sound, language, first.text),
        listener.words(sound, language, label.text),
        {kind: (wrong, listener.words(sound, language, wrong)) for kind, wrong in planted.items()},
    )


def plant(texts: Sequence[str], number: int, kind: str, language: str, rng: random.Random) -> str:
    """Return a transcript with an error.

    Args:
        texts: Transcripts of one speaker.
        number: Which of them.
        kind: Of `KINDS`.
        language: Of the texts.
        rng: Draws it.
    """
    text, other = texts[number], rng.choice([one for one in texts if one != texts[number]])
    if kind == "swapped":
        return other
    spaced = language not in scoring.BY_CHARACTER
    units, pool = (one.split() if spaced else list(one) for one in (text, other))
    if kind == "dropped words":
        span = min(rng.randint(2, 4), len(units) - 1)
        at = rng.randrange(len(units) - span + 1)
        del units[at : at + span]
    else:
        span = 1 if spaced else min(2, len(units))
        at = rng.randrange(len(units) - span + 1)
        start = rng.randrange(max(1, len(pool) - span + 1))
        units[at : at + span] = pool[start : start + span]
    return (" " if spaced else "").join(units)


def signals(
    texts: Sequence[str],
    confidences: Sequence[float],
    others: Sequence[Sequence[str]],
    words: Sequence[Words],
    heard: Sequence[Heard],
) -> Signals:
    """Everything that is known of some transcripts of one speaker without knowing the right ones."""
    language, seconds = heard[0].language, [one.seconds for one in heard]
    differs = [_disagreement(text, tuple(other), language) for text, other in zip(texts, others, strict=True)]
    odd = odd_paces([_pace(text, language, length) for text, length in zip(texts, seconds, strict=True)])
    least = [min((chance for _, chance in row), default=None) for row in words]
    flagged = [
        flags(text, language, length, sure, 0.0) for text, length, sure in zip(texts, seconds, confidences, strict=True)
    ]
    disputed = [_disputed(text, tuple(other), language) for text, other in zip(texts, others, strict=True)]
    together = [doubt(*row) for row in zip(disputed, confidences, odd, flagged, least, strict=True)]
    unsure = [1 - (1.0 if one is None else one) for one in least]
    return Signals([1 - one for one in confidences], odd, differs, disputed, unsure, together)


def own_signals(heard: Sequence[Heard]) -> Signals:
    """Signals of what Whisper heard."""
    return signals(
        [one.text or "-" for one in heard],
        [one.confidence for one in heard],
        [one.others for one in heard],
        [one.words for one in heard],
        heard,
    )


def first_tenth(values: Sequence[float]) -> list[int]:
    """The clips that stand first when the highest values do."""
    count = max(1, round(_SHARE * len(values)))
    return list(np.argsort(-np.array(values), kind="stable")[:count])


def own_errors(heard: Sequence[Heard]) -> list[int]:
    """Whisper's errors in each clip, in words or characters."""
    return [scoring.score(one.right, one.text, one.language).words.errors for one in heard]


def of_its_own(speakers: Mapping[str, Sequence[Heard]]) -> None:
    """Print the table of the recogniser's own errors, for all clips of each speaker and for halves of them."""
    for title, part in (("all", slice(None)), ("odd clips", slice(0, None, 2)), ("even clips", slice(1, None, 2))):
        parts = {name: list(heard)[part] for name, heard in speakers.items()}
        errors = {name: own_errors(heard) for name, heard in parts.items()}
        wrong = sum(sum(found) for found in errors.values())
        clips = [one for found in errors.values() for one in found]
        print(f"\n{title}: {wrong} errors in {sum(one > 0 for one in clips)} of {len(clips)} clips")
        print(f"| ordered by | {' | '.join(parts)} | all: recall | precision |\n| --- |" + " --- |" * (len(parts) + 2))
        orders = {name: vars(own_signals(heard)) for name, heard in parts.items()}
        for order in (*Signals.__dataclass_fields__, "(the errors themselves)"):
            held, cells, hits = 0, [], []
            for name, found in errors.items():
                first = first_tenth(orders[name].get(order, found))
                held += sum(found[number] for number in first)
                hits += [found[number] > 0 for number in first]
                cells.append(f"{sum(found[number] for number in first) / max(1, sum(found)):.0%}")
            print(f"| {order} | {' | '.join(cells)} | {held / max(1, wrong):.0%} | {sum(hits)} of {len(hits)} |")


def planted(name: str, heard: Sequence[Heard]) -> None:
    """Print the table of errors that were planted in a speaker's right transcripts."""
    orders = [order for order in Signals.__dataclass_fields__ if order != "confidence"]
    recalls: dict[str, dict[str, list[bool]]] = {order: {kind: [] for kind in KINDS} for order in orders}
    precisions: dict[str, list[float]] = {order: [] for order in orders}
    for seed in range(_DRAWS):
        where = dict(zip(random.Random(seed).sample(range(len(heard)), len(KINDS)), KINDS, strict=True))
        rows = [
            one.planted[where[number]] if number in where else (one.right, one.right_words)
            for number, one in enumerate(heard)
        ]
        texts, words = [row[0] for row in rows], [row[1] for row in rows]
        # Of a label Whisper's guesses are the second opinion.
        found = signals(texts, [1.0] * len(heard), [one.others for one in heard], words, heard)
        for order in orders:
            first = set(first_tenth(getattr(found, order)))
            precisions[order].append(len(first & where.keys()) / len(first))
            for number, kind in where.items():
                recalls[order][kind].append(number in first)
    count = max(1, round(_SHARE * len(heard)))
    print(f"\n{name}: one error of each kind in {len(heard)} right transcripts, the first {count}; {_DRAWS} draws")
    print("| ordered by | " + " | ".join(KINDS) + " | precision |\n| --- |" + " --- |" * (len(KINDS) + 1))
    for order in orders:
        cells = [f"{np.mean(recalls[order][kind]):.0%}" for kind in KINDS]
        print(f"| {order} | {' | '.join(cells)} | {np.mean(precisions[order]):.0%} |")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="LANGUAGE:FOLDER")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--heard", type=Path)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    given = parser.parse_args()
    until = time.monotonic() + given.seconds
    speakers: dict[str, Sequence[Heard]] = {}
    for language, folder in (one.split(":", 1) for one in given.folders):
        heard = listen(Path(folder), language, given.models, given.heard, until)
        if len(heard) >= 10:
            speakers[Path(folder).name] = heard
    of_its_own(speakers)
    for name, heard in speakers.items():
        planted(name, heard)


if __name__ == "__main__":
    main()
