"""voicemill's scorer beside jiwer and whisper_normalizer, on 200 pairs of texts whose errors are known.

    pip install whisper-normalizer
    python -m benchmarks.scorers [--all]

`scoring_pairs.csv` has 40 pairs a language, written for this comparison: what was said, what a recogniser wrote, and
how many errors a careful listener counts: words in English, morae in Japanese, characters elsewhere. Most pairs differ
in writing alone (figures, currency, spelling, script, width, case, punctuation, homophones) and count 0.

The others, as they are commonly used: `jiwer` on lower case without punctuation, by word in English and by character
elsewhere; `whisper_normalizer` (English, or the basic one that separates letters) before the same jiwer.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from voicemill.text import scoring

PAIRS = Path(__file__).with_name("scoring_pairs.csv")
Scorer = Callable[[str, str, str], int]


@dataclass(frozen=True)
class Pair:
    """What was said, what a recogniser wrote, and the errors in it."""

    language: str
    kind: str
    asked: str
    heard: str
    errors: int


def pairs() -> list[Pair]:
    """Read the data file."""
    with PAIRS.open(encoding="utf-8", newline="") as file:
        return [Pair(**row | {"errors": int(row["errors"])}) for row in csv.DictReader(file)]  # type: ignore[arg-type]


def _edits(asked: str, heard: str, language: str) -> int:
    import jiwer

    process = jiwer.process_characters if language in scoring.BY_CHARACTER else jiwer.process_words
    if language in scoring.BY_CHARACTER:
        asked, heard = asked.replace(" ", ""), heard.replace(" ", "")
    found = process(asked, heard)
    return found.substitutions + found.deletions + found.insertions


def ours(asked: str, heard: str, language: str) -> int:
    """Errors by voicemill.text.scoring."""
    return scoring.score(asked, heard, language).words.errors


def jiwer_plain(asked: str, heard: str, language: str) -> int:
    """Errors by jiwer, without case and punctuation."""
    return _edits(scoring.plain(asked, language), scoring.plain(heard, language), language)


def whisper_normalizer(asked: str, heard: str, language: str) -> int:
    """Errors by jiwer after the normalisation that Whisper was published with."""
    # Not among the development dependencies: installed for this comparison alone.
    from whisper_normalizer.basic import BasicTextNormalizer  # pyright: ignore[reportMissingImports]
    from whisper_normalizer.english import EnglishTextNormalizer  # pyright: ignore[reportMissingImports]

    normalize = EnglishTextNormalizer() if language == "en" else BasicTextNormalizer(split_letters=True)
    return _edits(normalize(asked), normalize(heard), language)


SCORERS: dict[str, Scorer] = {"ours": ours, "jiwer": jiwer_plain, "whisper_normalizer": whisper_normalizer}


def main() -> None:
    """Print the table, and the pairs on which a scorer and the listener disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="also the pairs on which only the others are wrong")
    shows_all = parser.parse_args().all
    rows = [(pair, {name: f(pair.asked, pair.heard, pair.language) for name, f in SCORERS.items()}) for pair in pairs()]
    groups: dict[str, list[tuple[Pair, dict[str, int]]]] = defaultdict(list)
    for pair, found in rows:
        groups[pair.language].append((pair, found))
        groups["all"].append((pair, found))
    print("| pairs | " + " | ".join(f"{name}: alike / errors / off by" for name in SCORERS) + " |")
    print("| --- |" + " --- |" * len(SCORERS))
    for group, members in groups.items():
        alike = [row for row in members if row[0].errors == 0]
        wrong = [row for row in members if row[0].errors]
        cells = []
        for name in SCORERS:
            same = sum(found[name] == 0 for _, found in alike)
            exact = sum(found[name] == pair.errors for pair, found in wrong)
            off = sum(abs(found[name] - pair.errors) for pair, found in members) / len(members)
            cells.append(f"{same} of {len(alike)} / {exact} of {len(wrong)} / {off:.2f}")
        print(f"| {group} | " + " | ".join(cells) + " |")
    for title, shown in (
        ("ours is less fair than one of the others", lambda ours, others: ours > min(others)),
        ("ours is fairer than both", lambda ours, others: ours < min(others) and shows_all),
    ):
        print(f"\n{title}:")
        for pair, found in rows:
            off = {name: abs(count - pair.errors) for name, count in found.items()}
            if shown(off["ours"], [off[name] for name in SCORERS if name != "ours"]):
                print(f"  {pair.language} {pair.kind}: {pair.asked} / {pair.heard}: {pair.errors} true, {found}")


if __name__ == "__main__":
    main()
