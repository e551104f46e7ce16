"""The model card of a voice: what a stranger must know before using it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voicemill.models import record
from voicemill.voice import understood
from voicemill.voice.manifest import Voice, has_consent

_CARD = """---
language: {language}
tags: [text-to-speech, gpt-sovits, voicemill]
---

# The voice of {speaker}

A GPT-SoVITS {version} voice {origin}.

> **Everything it says is generated speech.** Nobody said it. Mark it as generated wherever it is heard; voicemill's own
> output carries the mark in its metadata.

## Consent

{consent}

Use the voice only as far as this consent goes. Do not use it to deceive, to impersonate, or to pass for its speaker.

## Data

| | |
| --- | --- |
| speaker | {speaker} |
| language | {language} |
| clips | {clips} |
| speech | {speech} |
| transcripts | {transcripts} |

## Measured
{understood}
{metrics}

Errors are counted by a speech recogniser and include its own; similarity is the cosine of two speaker embeddings
(same speaker: 0.8 to 0.9, different speakers: 0.4 to 0.65).

## Made from

{lineage}
{toys}
## Licence

The weights derive from the base weights named above and from the recordings: the licence of the base weights and the
speaker's consent both bind whoever uses them. The code that made them is MIT-licensed.

## Limits

- It speaks as its data does: what the recordings lack (emotion, loudness, a language) the voice lacks too.
- Long sentences, rare names and numbers may be misread; listen before publishing anything.
- The measures above come from a handful of sentences, not from listeners.
"""

_TOYS = """
**It was trained from toy weights**, which exist for trying voicemill out: it babbles.
"""


def model_card(
    voice: Voice, *, transcripts: list[dict[str, Any]], metrics: Mapping[str, Any], lineage: Mapping[str, Any]
) -> str:
    """Return the card as Markdown.

    Args:
        voice: The voice.
        transcripts: Rows of transcripts.json that it was made from; none for a voice that was made elsewhere.
        metrics: The chosen pair's row of the evaluation.
        lineage: What lineage.json holds.
    """
    minutes = f"{sum(row['seconds'] for row in transcripts) / 60:.1f} min"
    made = f"made by voicemill from {len(transcripts)} clips, {minutes} of speech"
    unknown = "not known"
    flagged = sum(bool(row.get("flags")) for row in transcripts)
    return _CARD.format(
        speaker=voice.speaker,
        version=voice.version,
        language=voice.language,
        origin=made if transcripts else "that was made elsewhere and brought into voicemill",
        clips=len(transcripts) or unknown,
        speech=minutes if transcripts else unknown,
        consent=_consent(lineage),
        transcripts=f"{len(transcripts)} texts, {flagged} of them flagged as doubtful" if transcripts else unknown,
        understood=f"\n> **It is {unclear}.**\n" if (unclear := understood.warning(metrics)) else "",
        metrics=_table(metrics) or "Not measured.",
        lineage=_table(_flat(lineage)),
        toys=_TOYS if _is_from_toys(lineage) else "",
    )


def _is_from_toys(lineage: Mapping[str, Any]) -> bool:
    """Whether the weights that were fine-tuned are toys; a toy BERT beside a trained base says nothing of the voice."""
    sources = lineage.get("base_sources", {})
    return any(sources.get(name) == record.TOY for name in ("sovits-g", "gpt"))


def _consent(lineage: Mapping[str, Any]) -> str:
    consent = lineage.get("consent")
    if not has_consent(lineage):
        return "**None is on record.** Do not share or use this voice before the speaker has agreed."
    if isinstance(consent, Mapping):
        return "\n".join(f"- {name}: {value}" for name, value in consent.items())
    return str(consent)


def _flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "consent":
            continue
        if isinstance(value, Mapping):
            rows |= _flat(value, f"{prefix}{name} ")
        else:
            rows[prefix + name] = value
    return rows


def _table(fields: Mapping[str, Any]) -> str:
    shown = {name: value for name, value in fields.items() if isinstance(value, str | int | float)}
    if not shown:
        return ""
    rows = (f"| {name} | {f'{value:.4g}' if isinstance(value, float) else value} |" for name, value in shown.items())
    return "\n".join(["| | |", "| --- | --- |", *rows])
