"""Put a voice folder together from what the other stages made."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicemill import __version__
from voicemill.contract.code import code_version
from voicemill.core import gpu_cost, untrusted
from voicemill.core.digests import file_digest
from voicemill.core.errors import InputError, MissingModelError
from voicemill.core.safe_paths import safe_join
from voicemill.dataset.transcripts import read as read_transcripts
from voicemill.gpt_sovits.formats import safetensors_files
from voicemill.gpt_sovits.versions import spec
from voicemill.models import locate, record
from voicemill.models.layout import base_names, place
from voicemill.storage import fingerprint
from voicemill.voice import moods, pronunciation, reference_features
from voicemill.voice.generation_config import Generation
from voicemill.voice.manifest import REFERENCES, Part, ReferenceClip, Voice, choose_reference, main_language
from voicemill.voice.model_card import model_card
from voicemill.voice.stages import STAGES


@dataclass(frozen=True)
class Sources:
    """Folders of the stages before; `recordings` may be missing, and with it the consent; so may `ledgers`."""

    sovits: Path
    gpt: Path
    evaluation: Path
    clips: Path
    transcripts: Path
    dataset: Path
    recordings: Path | None
    models: Path
    ledgers: Path | None = None


@dataclass(frozen=True)
class Published:
    """The voice and the chosen pair's measures."""

    voice: Voice
    metrics: dict[str, Any]


def assemble(target: Path, sources: Sources, *, speaker: str, export: bool = False, references: int = 0) -> Published:
    """Write a voice folder.

    Args:
        target: Existing empty folder.
        sources: Where everything comes from.
        speaker: Name of the voice.
        export: Also write GPT-SoVITS's own files into `exports/`.
        references: Most reference clips to propose by their manner of speaking (`moods`), beside the usual one.

    Raises:
        InputError: if the evaluation names weights that are not there, or no clip can be the reference.
    """
    evaluation = untrusted.read_json(sources.evaluation / "evaluation.json", dict, hint="evaluate again", nan=True)
    transcripts = read_transcripts(sources.transcripts)
    best = evaluation["best"]
    folders = {"sovits": sources.sovits, "gpt": sources.gpt}
    parts = {name: _part(folder, best[name], target / f"{name}.safetensors") for name, folder in folders.items()}
    sovits = safetensors_files.read_about(target / "sovits.safetensors", "sovits")
    named = moods.propose(sources.clips, transcripts, most=references) if references else {}
    voice = Voice(
        speaker=speaker,
        version=sovits["version"],
        language=main_language(transcripts),
        sampling_rate=spec(sovits["version"]).output_rate,
        sovits=parts["sovits"],
        gpt=parts["gpt"],
        reference=_reference(sources.clips, evaluation.get("reference") or choose_reference(transcripts), target),
        references={name: _reference(sources.clips, row, target, name) for name, row in named.items()},
        generation=Generation.recorded(evaluation, sources.evaluation / "evaluation.json"),
    )
    voice.write(target)
    if found := reference_features.read(sources.evaluation):
        found.only({clip.sha256 for clip in (voice.reference, *voice.references.values())}).write(target)
    if export:
        exports = target / "exports"
        exports.mkdir()
        ours = (target / "sovits.safetensors", target / "gpt.safetensors")
        safetensors_files.export_files(*ours, exports / "sovits.pth", exports / "gpt.ckpt")
    for file in pronunciation.recorded_files(sources.dataset):
        shutil.copyfile(file, target / file.name)
    lineage = _lineage(sources, voice)
    _write_json(target / "metrics.json", evaluation)
    _write_json(target / "lineage.json", lineage)
    card = model_card(voice, transcripts=transcripts, metrics=best, lineage=lineage)
    (target / "README.md").write_text(card, encoding="utf-8")
    metrics = {name: best[name] for name in ("error_rate", "similarity", "score") if name in best}
    return Published(voice, metrics)


def _part(folder: Path, name: str, target: Path) -> Part:
    source = safe_join(folder, name)
    if not source.is_file():
        raise InputError(f"the evaluation chose {name}, which is missing in {folder}; evaluate these weights again")
    shutil.copyfile(source, target)
    return Part(target.name, file_digest(target), name)


def _reference(clips: Path, row: Any, target: Path, name: str = "") -> ReferenceClip:
    file = target / REFERENCES / f"{name}.wav" if name else target / "reference.wav"
    file.parent.mkdir(exist_ok=True)
    shutil.copyfile(safe_join(clips, row["clip"]), file)
    return ReferenceClip(
        file.relative_to(target).as_posix(), file_digest(file), row["text"], row["language"].lower(), row["seconds"]
    )


def _lineage(sources: Sources, voice: Voice) -> dict[str, Any]:
    consent = sources.recordings / "consent.json" if sources.recordings else None
    manifest = sources.recordings / "recordings.jsonl" if sources.recordings else None
    review = sources.transcripts / "review.json"
    return {
        "consent": untrusted.read_json(consent, object) if consent and consent.is_file() else None,
        "data": {
            "recordings": file_digest(manifest) if manifest and manifest.is_file() else None,
            "clips": fingerprint(sources.clips),
            "transcripts": file_digest(sources.transcripts / "transcripts.list"),
            "dataset": fingerprint(sources.dataset),
        },
        "review": untrusted.read_json(review, object) if review.is_file() else None,
        "base": _base_weights(sources.models, voice.version),
        "base_sources": _base_sources(sources.models, voice.version),
        "weights": {"sovits": voice.sovits.origin, "gpt": voice.gpt.origin},
        **_gpu(sources.ledgers),
        "training": {name: _training(getattr(sources, name)) for name in ("sovits", "gpt")},
        "code": {"voicemill": __version__, **{name: code_version(f"voicemill.stages.{name}") for name in STAGES}},
    }


def _base_names(version: str) -> tuple[str, ...]:
    return (*base_names(version), "hubert", "bert")


def _base_sources(models: Path, version: str) -> dict[str, str]:
    """Where each base model came from, as the models folder's record says: toys and trained bases are distinguished."""
    sources = {name: record.source(models, place(name, version)) for name in _base_names(version)}
    return {name: source or "not recorded" for name, source in sources.items()}


def _base_weights(models: Path, version: str) -> dict[str, str]:
    digests: dict[str, str] = {}
    for name in _base_names(version):
        try:
            digests[name] = fingerprint(locate(models, name, version))
        except MissingModelError:
            # A model that this voice's language never needed may be missing; its absence is part of the lineage.
            digests[name] = "not there"
    return digests


def _gpu(ledgers: Path | None) -> dict[str, Any]:
    """Return the GPU seconds by class that the voice took, and their price; nothing where no GPU was used."""
    seconds = gpu_cost.of_ledgers(ledgers).made
    if not seconds:
        return {}
    prices = gpu_cost.prices()
    cost = {"cost": round(prices.cost(seconds), 2), "currency": prices.currency} if prices else {}
    rounded = {f"{name} seconds": round(each) for name, each in seconds.items()}
    return {"gpu": {**rounded, **{name: value for name, value in cost.items() if value != ""}}}


def _training(weights: Path) -> Any:
    parameters = weights / "parameters.json"
    return untrusted.read_json(parameters, dict) if parameters.is_file() else {}


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
