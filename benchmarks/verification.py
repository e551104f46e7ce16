"""What verification catches and what it takes for wrong: tables for docs/results.md.

    python -m benchmarks.verification hear --data ../shared/data --models models --out heard [--recogniser pocketsphinx]
    python -m benchmarks.verification tables --out heard [--recogniser pocketsphinx]
    python -m benchmarks.verification mended runs/said/speech ...

`hear` lets the recogniser hear lines that are right and lines that were broken on purpose, as `synthesize` does (what
passes at a glance is not heard again; `--surely` hears all of them both ways), and keeps what it heard in OUT;
`--seconds` stops it after a while, and the next call goes on. `tables` prints what the rules make of them: errors
on right lines and on broken ones by threshold, and what each kind is caught by. `mended` prints what became of lines
that `synthesize` spoke with verify=mend.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.broken_lines import BREAKS, RATE, Case, cases
from voicemill.asr import recognizer
from voicemill.evaluation.intervals import ratio, wilson
from voicemill.synthesis.verification.listening import Ear
from voicemill.synthesis.verification.measures import Asked, Finding, Sound, examine, words
from voicemill.synthesis.verification.outcome import KEY, summarize
from voicemill.synthesis.verification.rules import RULES, Rules

Statistic = Callable[[Finding], float]
STATISTICS: dict[str, tuple[Statistic, Sequence[float]]] = {
    "phone error rate": (lambda one: one.phones.rate, (0.1, 0.15, 0.2, 0.25, 0.3, 0.4)),
    "longest run": (lambda one: one.phones.longest_run, (4, 6, 8, 10, 12, 16)),
    "missing at the beginning": (lambda one: one.phones.missing_at_start, (2, 3, 4, 5, 6, 8)),
    "missing at the end": (lambda one: one.phones.missing_at_end, (2, 3, 4, 5, 6, 8)),
    "added at the end": (lambda one: one.phones.added_at_end, (2, 3, 4, 5, 6, 8)),
    "leaked reference": (lambda one: one.leaked, (3, 4, 5, 6, 7, 9)),
    "pause, s": (lambda one: one.sound.pause, (0.6, 0.8, 1.0, 1.2, 1.5)),
}


def hear(given: argparse.Namespace) -> None:
    """Let the recogniser hear every case once."""
    given.out.mkdir(parents=True, exist_ok=True)
    ear = Ear(recognizer(given.recogniser, given.models))
    done = {row["name"] for row in _rows(given)}
    end = time.monotonic() + given.seconds
    with _path(given).open("a", encoding="utf-8") as file:
        for case in cases(given.data, given.each):
            if case.name in done or (given.recogniser == "pocketsphinx" and case.language != "en"):
                continue
            if time.monotonic() > end:
                print("not done; call again")
                return
            file.write(json.dumps(_heard(case, ear, surely=given.surely), ensure_ascii=False) + "\n")
            file.flush()
    print("done")


def _heard(case: Case, ear: Ear, *, surely: bool) -> dict[str, Any]:
    samples = case.make()
    sound, heard, took = Sound.of(samples, RATE), [], []
    hearings = ear.hearings(samples, RATE, case.language)
    for _ in range(2):
        start = time.perf_counter()
        words = next(hearings, None)
        if words is None:
            break
        heard.append(words)
        took.append(round(time.perf_counter() - start, 3))
        asked = Asked(case.text, case.language, case.reference)
        if not surely and examine(asked, words, sound, RULES[ear.name]).passes:
            break
    about = {name: getattr(case, name) for name in ("name", "kind", "text", "language", "reference", "is_right")}
    return {**about, "heard": heard, "sound": asdict(sound), "took": took}


def tables(given: argparse.Namespace) -> None:
    """Print the tables."""
    rules = RULES[given.recogniser]
    found = [(row, _finding(row, rules)) for row in _rows(given)]
    long = [(row, one) for row, one in found if words(row["text"], row["language"]) > rules.short_words]
    right = [one for row, one in long if row["is_right"]]
    broken = {kind: [one for row, one in long if row["kind"] == kind] for kind in BREAKS}
    print(f"{given.recogniser}: {len(right)} right lines, {sum(map(len, broken.values()))} broken ones\n")
    print("| more than | right |", " | ".join(BREAKS), "|\n| --- | ---: |", "---: |" * len(BREAKS))
    for name, (statistic, thresholds) in STATISTICS.items():
        for threshold in thresholds:
            shares = [_share([statistic(one) > threshold for one in ones]) for ones in (right, *broken.values())]
            print(f"| {name} {threshold:g} |", " | ".join(shares), "|")
    print("\n| lines | fail | causes |\n| --- | ---: | --- |")
    for kind in dict.fromkeys(row["kind"] for row, _ in found):
        ones = [one for row, one in found if row["kind"] == kind]
        causes = Counter(str(cause) for one in ones for cause in one.causes)
        told = ", ".join(f"{cause} {count}" for cause, count in causes.most_common())
        failing = sum(not one.passes for one in ones)
        low, high = wilson(failing, len(ones))
        share = f"{100 * failing / len(ones):.0f} % ({100 * low:.0f} to {100 * high:.0f})"
        print(f"| {kind} ({len(ones)}) | {share} | {told} |")
    alarms = [row for row, one in found if row["kind"] in ("recording", "two joined") and not one.passes]
    count = sum(row["kind"] in ("recording", "two joined") for row, _ in found)
    low, high = wilson(len(alarms), count)
    print(f"\nfalse alarms on real recordings: {len(alarms)} of {count}, 95 %: {100 * low:.1f} to {100 * high:.1f} %")
    for row, one in found:
        if row["is_right"] and not one.passes:
            print(f"- {row['name']}: {', '.join(one.causes)} | {row['text']} | {one.heard}")
    paces = sorted(one.phones.length / one.sound.seconds for one in right if one.sound.seconds)
    print(f"\npace of right lines, phones a second: {paces[0]:.1f} to {paces[-1]:.1f}")
    for number, what in enumerate(("first", "again")):
        times = [row["took"][number] for row, _ in found if len(row["took"]) > number]
        if times:
            print(f"median time to hear a line, {what}: {median(times):.2f} s, of {len(times)} lines")


def _finding(row: Mapping[str, Any], rules: Rules) -> Finding:
    """Return what is found about a line by what was heard last, or by the first hearing that passes."""
    asked = Asked(row["text"], row["language"], row["reference"])
    findings = [examine(asked, heard, Sound(**row["sound"]), rules) for heard in row["heard"]]
    return next((one for one in findings if one.passes), findings[-1])


def mended(folders: Sequence[Path]) -> None:
    """Print what became of lines that were mended."""
    for folder in folders:
        rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
        records = [row[KEY] for row in rows]
        summary = summarize(records)
        failing = sum("before" in one or bool(one.get("causes")) for one in records)
        left = sum(bool(one.get("causes")) for one in records)
        print(f"\n{folder}: {len(records)} lines; failing at first {failing}, after mending {left}")
        print(json.dumps(summary, ensure_ascii=False, indent=1))
        for name, chosen in (("first", lambda one: one.get("before", one)), ("kept", lambda one: one)):
            counts = [chosen(one) for one in records]
            print(f"phone error rate as {name}: {_rate([(one['errors'], one['phones']) for one in counts])}")
        tried = [one["tries"] for one in records if "tries" in one]
        print(f"takes beside the first: {sum(tried)}, of a line that failed {sum(tried) / max(1, len(tried)):.1f}")
        second = [one["second"] for one in records if one["outcome"] == "mended" and "second" in one]
        if second:
            print(f"{second[0]['recogniser']}, on {len(second)} mended lines:")
            for when in ("before", "after"):
                print(f"  {when}: {_rate([one[when] for one in second])}")
            less = [one["before"][0] - one["after"][0] for one in second]
            asked = [one["before"][1] for one in second]
            print(f"  fewer by {100 * sum(less) / sum(asked):.1f} % of phones, 95 % {ratio(less, asked)}")


def _rate(counts: Sequence[Sequence[int]]) -> str:
    errors, phones = [one[0] for one in counts], [one[1] for one in counts]
    return f"{100 * sum(errors) / max(1, sum(phones)):.1f} % of {sum(phones)}, 95 % {ratio(errors, phones)}"


def _share(values: Sequence[bool]) -> str:
    return f"{100 * sum(values) / max(1, len(values)):.0f} %"


def _path(given: argparse.Namespace) -> Path:
    return given.out / f"{given.recogniser}.jsonl"


def _rows(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    if _path(given).is_file():
        yield from (json.loads(line) for line in _path(given).read_text(encoding="utf-8").splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.verification",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("hear", "tables"):
        one = verbs.add_parser(verb)
        one.add_argument("--out", type=Path, required=True)
        one.add_argument("--recogniser", choices=("whisper", "pocketsphinx"), default="whisper")
        if verb == "hear":
            one.add_argument("--data", type=Path, required=True, help="recordings with index.csv")
            one.add_argument("--models", type=Path, required=True)
            one.add_argument("--each", type=int, default=30, help="lines broken in each way (30)")
            one.add_argument("--surely", action="store_true", help="hear each line both ways, where there are two")
            one.add_argument("--seconds", type=float, default=1e9, help="stop after so many")
    verbs.add_parser("mended").add_argument("folders", type=Path, nargs="+", help="speech folders")
    given = parser.parse_args()
    if given.verb == "mended":
        mended(given.folders)
    else:
        {"hear": hear, "tables": tables}[given.verb](given)


if __name__ == "__main__":
    main()
