"""How good a voice is, measured on sentences that it was not trained on.

    python -m benchmarks.quality --voice runs/anna/voice --models models --speaker recordings/anna --out quality
    python -m benchmarks.quality --speaker recordings/anna --models models --out quality
    python -m benchmarks.quality --minutes 1,2,5,10 --models models --speaker recordings/anna --out quality
    python -m benchmarks.quality --epochs-of runs/anna --models models --speaker recordings/anna --out quality
    python -m benchmarks.quality --list meta.lst --models models --out quality
    python -m benchmarks.quality --speech runs/anna/speech --speaker recordings/anna --out quality

Errors in words and phones by a recogniser, likeness to the speaker and to others, DNSMOS, and time a phone; of the
speaker's recordings too, with which a voice is compared. --minutes clones the speaker from the first minutes of the
recordings, from all of them where they are shorter; --epochs-of measures every saved epoch of a run, and the base;
--list speaks each line of a list in the form of seed-tts-eval (utt|prompt_text|prompt_wav|text) as its prompt does, by
the voice or else by the base weights; --speech measures lines that synthesize has spoken.
Writes results.json, table.md and page.html, and audio/ with what was spoken.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.quality import page, sources, table
from benchmarks.quality.epochs import Training, measure_epochs
from benchmarks.quality.few_shot import measure_minutes
from benchmarks.quality.listening import Listener
from benchmarks.quality.measures import Summary
from benchmarks.quality.speaking import STEADY, Bench
from voicemill.asr import recognizer
from voicemill.core.errors import UsageError, VoicemillError
from voicemill.core.files import write_text
from voicemill.evaluation.speaker_similarity import SpeakerLikeness


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line.

    Raises:
        UsageError: What is asked for does not go together.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", type=Path, metavar="FILE", help="speak the lines of a list, each by its own prompt")
    what.add_argument("--minutes", type=_numbers, metavar="1,2,5", help="clone the speaker from so many minutes each")
    what.add_argument("--epochs-of", type=Path, metavar="RUN", help="measure every saved epoch of a clone-voice run")
    what.add_argument("--speech", type=Path, metavar="FOLDER", help="measure what synthesize has spoken")
    parser.add_argument("--voice", type=Path, help="a published voice")
    parser.add_argument("--speaker", type=Path, help="recordings of the speaker, with transcripts.csv or a .list file")
    parser.add_argument("--others", type=Path, nargs="+", default=[], help="folders of other speakers' recordings")
    parser.add_argument("--models", type=Path, default=Path("models"), help="models folder")
    parser.add_argument("--sentences", type=Path, default=sources.SENTENCES, help="a text file; else 30 of our own")
    parser.add_argument("--language", default="en", help="of the sentences and recordings (en)")
    parser.add_argument("--whisper", action="store_true", help="Whisper of the models folder listens, not pocketsphinx")
    parser.add_argument(
        "--also", choices=["whisper", "pocketsphinx"], help="a second recogniser, in a column of its own"
    )
    parser.add_argument(
        "--steady", action="store_true", help="likeliest of four beams, whole lines, no prompt: best of a small base"
    )
    parser.add_argument("--seed", type=int, default=1234)
    parser.add_argument("-p", dest="parameters", action="append", default=[], help="name=value for clone-voice")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    if not given.list and not given.speaker:
        raise UsageError("say with --speaker whose recordings the voice is compared with")
    if given.voice and (given.minutes or given.epochs_of or given.speech):
        raise UsageError("--minutes, --epochs-of and --speech measure voices of their own; leave --voice out")
    if given.also == ("whisper" if given.whisper else "pocketsphinx"):
        raise UsageError(f"{given.also} listens already; name another recogniser with --also")
    if given.language != "en" and given.sentences == sources.SENTENCES and not given.list:
        raise UsageError(f"the sentences that come with it are English; name some of language {given.language}")
    return given


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def measure(given: argparse.Namespace) -> tuple[str, list[Summary], list[Training]]:
    """Return the recogniser's name, and what was measured."""
    listener = Listener(
        recognizer("whisper" if given.whisper else "pocketsphinx", given.models, given.language),
        given.language,
        SpeakerLikeness(sources.recordings(given.speaker)) if given.speaker else None,
        {folder.name: SpeakerLikeness(sources.recordings(folder)) for folder in given.others},
        recognizer(given.also, given.models, given.language) if given.also else None,
    )
    sentences = sources.sentences(given.sentences)
    manner = STEADY if given.steady else None
    bench = Bench(given.models, listener, sentences, given.seed, given.out / "audio", manner, not given.steady)
    name = listener.recogniser.name
    if given.list:
        synthesizer = bench.voice(given.voice).synthesizer if given.voice else bench.base()
        title = given.voice.name if given.voice else "base"
        return name, bench.measure_prompted(title, synthesizer, sources.read_list(given.list)), []
    own = listener.summarize("recordings", sources.spoken_by(given.speaker), of_speaker=True)
    if given.speech:
        return name, [own, listener.summarize("speech", sources.spoken_lines(given.speech))], []
    if given.minutes:
        return name, [own, *measure_minutes(bench, given.speaker, given.minutes, given.parameters, given.out)], []
    if given.epochs_of:
        summaries, trainings = measure_epochs(bench, given.epochs_of)
        return name, [own, *summaries], trainings
    return name, [own, *([bench.measure_voice("voice", given.voice)] if given.voice else [])], []


def main() -> None:
    """Measure, print the table, and write everything down."""
    given = options()
    given.out.mkdir(parents=True, exist_ok=True)
    recogniser, summaries, trainings = measure(given)
    content = {"recogniser": recogniser, "language": given.language, "measured": table.results(summaries)}
    for training in trainings:
        content[f"{training.name}_epochs"] = dict(training.curves)
        write_text(given.out / f"epochs-{training.name}.svg", training.plot())
    write_text(given.out / "results.json", json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    write_text(given.out / "table.md", table.markdown(summaries))
    title = f"Quality of {given.speaker.name if given.speaker else given.list.stem}"
    write_text(given.out / "page.html", page.build(title, recogniser, summaries, trainings))
    print(table.markdown(summaries))


if __name__ == "__main__":
    try:
        main()
    except VoicemillError as error:
        print(f"benchmarks.quality: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
