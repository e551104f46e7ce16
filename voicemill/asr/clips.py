"""A folder of clips -> their transcripts: own labels where there are some, a recogniser for the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from voicemill.asr.choice import recognizer
from voicemill.asr.doubt import doubt, odd_paces, pace
from voicemill.asr.edges import cut_edges
from voicemill.asr.flags import flags
from voicemill.asr.orthography import Script, consistent
from voicemill.asr.own_labels import Matches, match
from voicemill.asr.second_opinion import (
    DISAGREES,
    UNLIKELY,
    Hears,
    Opinion,
    disagreement,
    disputed_words,
    second_opinion,
)
from voicemill.asr.transcript import RATE, Recognizer, Rehearing, Transcript
from voicemill.audio.reading import read_mono
from voicemill.audio.recordings import MANIFEST, read_manifest
from voicemill.contract import Ledger, check_stop, progress
from voicemill.core.errors import InputError
from voicemill.core.logs import get_logger
from voicemill.dataset.labels import one_line, scan

log = get_logger(__name__)

# Enough clips for Whisper's batches of eight to be full, few enough to show progress.
_AT_ONCE = 16
_SHOWN = 10


@dataclass(frozen=True)
class ClipTranscript:
    """A clip that has words.

    Attributes:
        clip: File name.
        seconds: Length.
        language: Code of `voicemill.dataset.labels.LANGUAGES`.
        text: The words.
        confidence: 0 to 1; 1 for own labels.
        source: "label", or the recogniser's name: "whisper", "sensevoice", "paraformer", "pocketsphinx".
        flags: What a person should look at; see `voicemill.asr.flags` and `voicemill.asr.edges`.
        disagreement: Share that a second opinion heard differently, 0 to 1; None without one.
        pace: Phones a second.
        word_confidence: Of the least likely word, see `voicemill.asr.transcript.Rehearing`; None without.
        disputed: Words (characters where words are not spaced) that a second opinion heard differently.
        doubt: 0 to 1; proofreading shows the highest first. See `voicemill.asr.doubt`.
    """

    clip: str
    seconds: float
    language: str
    text: str
    confidence: float
    source: str
    flags: list[str]
    disagreement: float | None = None
    pace: float = 0.0
    word_confidence: float | None = None
    disputed: float = 0.0
    doubt: float = 0.0

    def row(self) -> dict[str, Any]:
        """As it stands in transcripts.json."""
        return asdict(self)


def own_labels(path: Path, clips: Path, recordings: Path | None) -> Matches:
    """Read the user's labels and find their clips. A line that cannot be read costs itself alone.

    Args:
        path: The label file.
        clips: Folder of clips.
        recordings: Ingest's folder.

    Raises:
        InputError: Nothing in the file can be read, or nothing of it fits the clips.
    """
    labels, problems = scan(path)
    _warn(path, [f"line {problem.line} was skipped: {problem.reason}" for problem in problems])
    if not labels:
        first = f"; line {problems[0].line}: {problems[0].reason}" if problems else ""
        raise InputError(f"{path.name} has no usable transcript{first}")
    has_manifest = recordings is not None and (recordings / MANIFEST).is_file()
    manifest = read_manifest(recordings) if recordings and has_manifest else {}
    sources = {name: recording.source for name, recording in manifest.items()}
    matches = match(labels, (clip.name for clip in clips.glob("*.wav")), sources)
    _warn(path, [f"the transcript of {label.path} is not used: {reason}" for label, reason in matches.unused])
    if not matches.by_clip and not matches.notes:
        raise InputError(
            f"no transcript in {path.name} matches a clip; the first: {labels[0].path}: {matches.unused[0][1]}"
        )
    return matches


def _warn(path: Path, sentences: list[str]) -> None:
    for sentence in sentences[:_SHOWN]:
        log.warning("%s: %s", path.name, sentence)
    if len(sentences) > _SHOWN:
        log.warning("%s (and %d more like this)", path.name, len(sentences) - _SHOWN)


def transcribe_folder(
    ledger: Ledger,
    clips: Path,
    models: Path,
    language: str,
    backend: str,
    own: Matches | None,
    script: Script = "simplified",
    opinion: Opinion = "auto",
) -> list[ClipTranscript]:
    """Transcribe all clips of a folder, sorted by name, with one entry in the ledger for each.

    Args:
        ledger: Gets the entries, and in the summary the counts of flags, languages and sources.
        clips: Folder of clips.
        models: Models folder.
        language: Code, or "auto".
        backend: See `voicemill.asr.choice`.
        own: Labels that need no recognition; they stay as they are written.
        script: Characters of recognised Mandarin.
        opinion: Who hears each clip again; see `voicemill.asr.second_opinion`.

    Raises:
        InputError: A recogniser is needed and cannot be obtained.
    """
    own = own or Matches()
    paths = sorted(clips.glob("*.wav"))
    unlabelled = [path for path in paths if path.name not in own.by_clip]
    if own.by_clip:
        log.info("%d of %d clips have a transcript of yours", len(paths) - len(unlabelled), len(paths))
    labelled = [path for path in paths if path.name in own.by_clip]
    listener = recognizer(backend, models, language) if unlabelled else None
    found = []
    if labelled:
        found += _labelled(ledger, labelled, own, second_opinion(opinion, None, models, language))
    if listener is not None:
        hears = second_opinion(opinion, listener, models, language)
        found += _recognised(ledger, unlabelled, listener, own, script, hears)
    found = _doubted(sorted(found, key=lambda transcript: transcript.clip))
    ledger.note(
        flagged=sum(bool(transcript.flags) for transcript in found),
        flags=dict(Counter(flag for transcript in found for flag in transcript.flags)),
        languages=dict(Counter(transcript.language for transcript in found)),
        sources=dict(Counter(transcript.source for transcript in found)),
        labels_unused=len(own.unused),
    )
    return found


def _labelled(ledger: Ledger, paths: list[Path], own: Matches, hears: Hears | None) -> Iterator[ClipTranscript]:
    for sounds in _batches(ledger, paths, "checking labels" if hears else "reading labels"):
        labels = [own.by_clip[path.name] for path in sounds]
        # The user's word is trusted, but a label on the wrong clip shows in its length and in what is heard.
        languages, texts = [label.language for label in labels], [label.text for label in labels]
        others = hears(list(sounds.values()), languages, texts) if hears else [None] * len(sounds)
        for (path, sound), label, other in zip(sounds.items(), labels, others, strict=True):
            with ledger.item(path.name):
                transcript = Transcript(label.text, label.language, 1.0)
                yield _keep(ledger, path, sound, transcript, "label", 0.0, other)


def _recognised(
    ledger: Ledger, paths: list[Path], listener: Recognizer, own: Matches, script: Script, hears: Hears | None
) -> Iterator[ClipTranscript]:
    for sounds in _batches(ledger, paths, f"listening ({listener.name})"):
        heard = listener.transcribe_all(list(sounds.values()))
        languages, texts = [one.language for one in heard], [one.text for one in heard]
        others = hears(list(sounds.values()), languages, texts) if hears else [None] * len(sounds)
        for (path, sound), transcript, other in zip(sounds.items(), heard, others, strict=True):
            with ledger.item(path.name):
                written = consistent(transcript.text, transcript.language, script)
                transcript = replace(transcript, text=written)
                note = own.notes.get(path.name)
                extra = {"label": note} if note else {}
                yield _keep(ledger, path, sound, transcript, listener.name, listener.trusted_above, other, **extra)


def _batches(ledger: Ledger, paths: list[Path], doing: str) -> Iterator[dict[Path, np.ndarray]]:
    """Some clips at a time, at 16 kHz; one that cannot be read is dropped."""
    for batch in progress([paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE)], doing):
        check_stop()
        sounds: dict[Path, np.ndarray] = {}
        for path in batch:
            with ledger.item(path.name):
                sounds[path] = read_mono(path, RATE)
        yield sounds


def _doubted(transcripts: list[ClipTranscript]) -> list[ClipTranscript]:
    """Return the transcripts with how doubtful they are, which takes the pace of all of them."""
    odd = odd_paces([transcript.pace for transcript in transcripts])
    return [
        replace(
            one,
            doubt=round(doubt(one.disputed, one.confidence, pace, one.flags, one.word_confidence), 4),
        )
        for one, pace in zip(transcripts, odd, strict=True)
    ]


def _keep(
    ledger: Ledger,
    path: Path,
    sound: np.ndarray,
    transcript: Transcript,
    source: str,
    trusted_above: float,
    again: Rehearing | None,
    **extra: Any,
) -> ClipTranscript:
    seconds = round(len(sound) / RATE, 3)
    text, language, confidence = one_line(transcript.text), transcript.language, round(transcript.confidence, 4)
    found = [*flags(text, language, seconds, confidence, trusted_above), *cut_edges(sound, RATE)]
    if "empty" in found:
        raise InputError("its transcript has no words" if source == "label" else "the recogniser found no words in it")
    differs = least = None
    disputed = 0.0
    if again is not None:
        differs, least = round(disagreement(text, again.texts, language), 4), again.word_confidence
        disputed = round(disputed_words(text, again.texts, language), 2)
        extra["disagreement"] = differs
        found += ["disagreement"] if differs >= DISAGREES else []
        found += ["unlikely-word"] if least is not None and least < UNLIKELY else []
    ledger.keep(path.name, seconds=seconds, source=source, confidence=confidence, flags=found, **extra)
    spoken = round(pace(text, language, seconds), 2)
    least = None if least is None else float(f"{least:.3g}")
    return ClipTranscript(
        path.name, seconds, language, text, confidence, source, found, differs, spoken, least, disputed
    )
