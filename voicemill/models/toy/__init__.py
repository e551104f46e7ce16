"""Toy models: tiny networks in the real files' formats, so that the whole job runs in minutes on any machine.

Separators let speech through, recognition is valid rather than accurate, and the voice models babble until they are
trained for real.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from voicemill.core import untrusted
from voicemill.core.errors import InputError
from voicemill.core.files import atomic
from voicemill.core.logs import get_logger
from voicemill.gpt_sovits.versions import spec
from voicemill.models import record
from voicemill.models.layout import Version, place
from voicemill.models.placing import DEFAULTS

log = get_logger(__name__)

MARK = "toy.json"
README = """\
# Toy models

Made by `voicemill models toy`, seed {seed}. They have the formats and names of the real models and next to nothing in
them: they are for trying out voicemill and for its tests. Voices trained from them babble, the separators clean nothing
and the recogniser's words mean nothing. Get the real models with `voicemill models pull`.
"""
BASE_README = """\
# A base among toy models

Made by `voicemill models small` or `voicemill models toy --base`, seed {seed}. The content encoder, SoVITS and the
token model are a trained base: voices speak as well as it does. Everything else here is a toy, in the format and place
of the real model and with next to nothing in it: the separators clean nothing and the recogniser's words mean nothing.
Get the real models with `voicemill models pull`.
"""


def make_all(
    folder: Path,
    seed: int = 0,
    report: Callable[[str], None] = log.info,
    versions: Sequence[Version] = ("v2",),
    base: Path | None = None,
) -> bool:
    """Make every toy model in the places of the real ones.

    Args:
        folder: Models folder to make. One that this version of the code made with this seed is left alone.
        seed: Seed of the random weights; the same seed gives the same bytes.
        report: Gets one line a model.
        versions: GPT-SoVITS versions to make; v2Pro and v2ProPlus come with a speaker encoder, v3 and v4 with a
            vocoder.
        base: Models folder, such as pretrain makes, whose models take the places of the toys that are for the same.

    Returns:
        Whether anything was made.

    Raises:
        InputError: The folder holds something else.
    """
    from voicemill.contract.code import code_version

    mark: dict[str, Any] = {"seed": seed, "versions": sorted(versions), "code": code_version("voicemill.models.toy")}
    if base is not None:
        mark["base"] = _base_files(base)
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / MARK).is_file():
            raise InputError(f"{folder} is not empty and was not made by `voicemill models toy`: name another folder")
        if untrusted.read_json(folder / MARK, dict, hint="name another folder") == mark and _is_whole(folder):
            return False
    with atomic(folder, is_folder=True) as building:
        entries: dict[str, record.Entry] = {}
        makers = _makers(versions)
        if base is not None:
            makers.append(("base", lambda folder, seed: _lay_over(folder, base)))
        for name, make in makers:
            started = time.monotonic()
            make(building, seed)
            fresh = [path for path in _files(building) if path not in entries]
            entries |= {path: record.describe(building / path, name, record.TOY) for path in fresh}
            size = sum(entries[path].size for path in fresh) / 1e6
            report(f"{name}: {len(fresh)} files, {size:.1f} MB, {time.monotonic() - started:.1f} s")
        if base is not None:
            entries = {path: entry for path, entry in entries.items() if (building / path).is_file()}
            entries |= {path: replace(entry, model="base") for path, entry in record.read(base).items()}
        (building / "README.md").write_text((README if base is None else BASE_README).format(seed=seed))
        record.add(building, entries)
        (building / MARK).write_text(json.dumps(mark))
        for path in _files(building):
            # safetensors writes for the owner alone; another user's container has to read them too.
            (building / path).chmod(0o644)
    return True


def _makers(versions: Sequence[Version]) -> list[tuple[str, Callable[[Path, int], object]]]:
    """Return each takes the models folder and a seed."""
    from voicemill.models.toy.gpt import make_gpt
    from voicemill.models.toy.mel_sovits import make_mel_sovits
    from voicemill.models.toy.separators import make_separators
    from voicemill.models.toy.sovits import make_sovits
    from voicemill.models.toy.speaker import make_speaker_encoder
    from voicemill.models.toy.transformers_models import make_bert, make_hubert
    from voicemill.models.toy.whisper import make_whisper

    return [
        ("separation", lambda folder, seed: make_separators(folder / place("separation"), seed)),
        ("hubert", make_hubert),
        ("bert", make_bert),
        ("whisper", make_whisper),
        *(
            (f"sovits {version}", partial(make_mel_sovits if spec(version).mel else make_sovits, version=version))
            for version in versions
        ),
        *([("speaker-encoder", make_speaker_encoder)] if any(spec(name).speaker_vectors for name in versions) else []),
        ("gpt", make_gpt),
    ]


def _base_files(base: Path) -> dict[str, str]:
    """Digests of a base's files, by path.

    Raises:
        InputError: It has no record of them, or they are not what they were.
    """
    from voicemill.models import checking

    findings = checking.verify(base, [])
    bad = [finding.file.path for finding in findings if finding.state != "ok"]
    if bad or not findings:
        raise InputError(
            f"{base} is not a complete base such as pretrain makes: {', '.join(bad) or 'nothing is recorded'}"
        )
    return {path: entry.sha256 for path, entry in record.read(base).items()}


def _lay_over(folder: Path, base: Path) -> None:
    """Put a base's models and its defaults in the place of toys; nothing of a toy HuBERT may stay beside it."""
    shutil.rmtree(folder / place("hubert"))
    extra = [DEFAULTS] if (base / DEFAULTS).is_file() else []
    for path in [*record.read(base), *extra]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(base / path, folder / path)


def _files(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]


def _is_whole(folder: Path) -> bool:
    recorded = record.read(folder)
    sizes = {path: (folder / path).stat().st_size for path in recorded if (folder / path).is_file()}
    return bool(recorded) and all(sizes.get(path) == entry.size for path, entry in recorded.items())
