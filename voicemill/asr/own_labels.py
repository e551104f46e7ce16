"""Labels that the user brings, found their clips.

A label names a clip, or an original recording. The text of a recording is the text of its clip only where slicing made
a single clip of it: nobody knows where the words of a longer recording lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from voicemill.audio.clip_names import place_of
from voicemill.core.names import Names, folded, normal, shown
from voicemill.dataset.labels import Label


@dataclass
class Matches:
    """Which label belongs to which clip.

    Attributes:
        by_clip: Label by name of the clip.
        notes: By name of the clip, why it has no label although its recording has one.
        unused: Labels that found no clip, each with the reason.
    """

    by_clip: dict[str, Label] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    unused: list[tuple[Label, str]] = field(default_factory=list)


def match(labels: Iterable[Label], clips: Iterable[str], sources: Mapping[str, str]) -> Matches:
    """Find each label's clip.

    A label that names a clip stands before one that names its recording. A label's path may be longer than the
    recording's, or shorter: the two are the same where the last parts of both agree, as far as both go, first with the
    extension and then without (recordings are often converted after they were labelled). Names agree in whatever
    Unicode form they are written, and without regard to case where nothing agrees with it.

    Args:
        labels: In file order.
        clips: Names of the clips, `<recording>_<start>_<end>.wav`.
        sources: Path of the original by name of the recording; empty where ingest's folder was not given.
    """
    names = sorted(clips)
    of_recording: dict[str, list[str]] = {}
    for name in names:
        of_recording.setdefault(place_of(name)[0], []).append(name)
    found = Matches()
    by_stem = {PurePosixPath(name).stem: name for name in names}
    clip_names, stems = Names(names), Names(by_stem)
    of_recordings = []
    for label in labels:
        clip = clip_names.sole(label.name) or by_stem.get(stems.sole(PurePosixPath(label.name).stem) or "")
        if clip is None:
            of_recordings.append(label)
        elif clip in found.by_clip:
            found.unused.append((label, f"{clip} already has a transcript"))
        else:
            found.by_clip[clip] = label
    for label in of_recordings:
        recordings = _recordings(label.path, sources)
        if len(recordings) != 1:
            found.unused.append((label, _why_not_one(label, recordings, names, sources)))
            continue
        cut = of_recording.get(recordings[0], [])
        if not cut:
            found.unused.append((label, "no clip was made of the recording"))
        elif len(cut) > 1:
            reason = f"its recording was cut into {len(cut)} clips, so the transcript cannot be split between them"
            found.notes |= {clip: reason for clip in cut if clip not in found.by_clip}
            found.unused.append((label, f"the recording was cut into {len(cut)} clips"))
        elif cut[0] in found.by_clip:
            found.unused.append((label, f"{cut[0]} already has a transcript"))
        else:
            found.by_clip[cut[0]] = label
    return found


def _recordings(path: str, sources: Mapping[str, str]) -> list[str]:
    """Return the names of the recordings that a label's path may mean; those that agree in most parts of it."""
    for form in (normal, folded):
        for exact in (True, False):
            wanted = _parts(form(path), exact)
            agreeing = {name: _agreement(wanted, _parts(form(source), exact)) for name, source in sources.items()}
            most = max(agreeing.values(), default=0)
            if most:
                return [name for name, parts in agreeing.items() if parts == most]
    return []


def _why_not_one(label: Label, recordings: list[str], clips: list[str], sources: Mapping[str, str]) -> str:
    """Return why a label is nobody's: several recordings could be meant, or none, and then what is called nearly so."""
    if recordings:
        several = ", ".join(shown(sources[name]) for name in recordings[:3])
        return f"{len(recordings)} recordings match this name ({several}); give more of the path"
    near = Names([*clips, *(PurePosixPath(source).name for source in sources.values())])
    return f"no clip or recording has this name{near.hint(label.name)}"


def _parts(path: str, exact: bool) -> tuple[str, ...]:
    pure = PurePosixPath(path)
    return pure.parts if exact else pure.with_suffix("").parts


def _agreement(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Return how many parts, from the last on, are the same; 0 where the file names differ."""
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count
