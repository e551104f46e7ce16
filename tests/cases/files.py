"""Files, folders, names and labels that are not as they should be, and voices made of them."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

from tests.cases import Case, case
from voicemill.audio.reading import read_mono, write_wav
from voicemill.cli import main as cli
from voicemill.contract import Stage
from voicemill.dataset.labels import Label, read, write
from voicemill.gpt_sovits.dataset import DatasetFolder, Text
from voicemill.models.toy.gpt import make_gpt
from voicemill.models.toy.sovits import make_sovits
from voicemill.models.toy.transformers_models import make_hubert
from voicemill.stages.format import format_dataset
from voicemill.stages.ingest import ingest
from voicemill.stages.slice import slice_clips
from voicemill.stages.transcribe import transcribe

GOOD = "good.flac"
_CHECKOUT = Path(__file__).parents[2]


def _script(name: str, folder: Path, **environment: str) -> tuple[str, list[int]]:
    """What a shell script of the cases prints, and the exit codes that it reports."""
    checkout = folder / "checkout"
    checkout.mkdir()
    (checkout / ".venv").symlink_to(sys.prefix)
    for package in ("stages", "voicemill", "workflows"):
        (checkout / package).symlink_to(_CHECKOUT / package)
    own = {"REPO": str(checkout), "TMPDIR": str(folder), "VOICEMILL_CACHE": str(folder / "cache"), **environment}
    done = subprocess.run(
        ["bash", str(case(name))], env={**os.environ, **own}, capture_output=True, text=True, timeout=300, check=False
    )
    said = done.stdout + done.stderr
    return said, [int(code) for code in re.findall(r"^rc=(\d+)$", said, re.MULTILINE)]


def _last(said: str, holding: str) -> str:
    lines = [line for line in said.splitlines() if holding in line]
    return lines[-1] if lines else f"nothing says {holding!r}"


def _unreadable(name: str, item: str) -> Case:
    def run(folder: Path) -> tuple[str, bool]:
        said, codes = _script(name, folder)
        line = _last(said, f"dropped {item}:")
        return f"{codes}: {line}", codes == [0] and "permission denied" in line and "Traceback" not in said

    return run


def _read_only_output(folder: Path) -> tuple[str, bool]:
    said, codes = _script("fs_readonly_out.sh", folder)
    line = _last(said, "cannot be written")
    return f"{codes}: {line}", codes == [73, 73] and "Traceback" not in said and "ro/run" in line


def _file_as_run_folder(folder: Path) -> tuple[str, bool]:
    said, codes = _script("fs_out_is_file.sh", folder)
    return f"{codes}: {_last(said, 'voicemill:')}", codes == [64] and "Traceback" not in said


def _dataset_with_marks(folder: Path) -> tuple[str, bool]:
    models = folder / "models"
    make_gpt(models)
    dataset = DatasetFolder(folder / "dataset")
    dataset.root.mkdir()
    dataset.create()
    phones = ["HH", "AH0", "L", "OW1", "W", "ER1", "L", "D", "."]
    dataset.write_texts({"a.wav": Text(phones, None, "hello world.")})
    dataset.write_codes({"a.wav": [n % 1024 for n in range(0, 600, 15)]})
    said, codes = _script("dataset_crlf.sh", folder, DATASET=str(dataset.root), MODELS=str(models))
    return f"{codes}: {_last(said, 'kept')}", codes == [0] and '"kept": 1' in said


def _ended(stage: Stage, **options: object) -> tuple[int, str]:
    """Exit code of a stage's command line, and its last sentence."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger().addHandler(handler)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            words = ((f"--{name.replace('_', '-')}", str(value)) for name, value in options.items())
            code = stage.run(list(itertools.chain.from_iterable(words)))
    finally:
        logging.getLogger().removeHandler(handler)
    lines = said.getvalue().splitlines()
    return code, lines[-1] if lines else ""


def _voicemill(*words: object) -> tuple[int, str]:
    """Exit code of the command, and what it says to stderr."""
    said = io.StringIO()
    code: object = 0
    with (
        mock.patch.object(sys, "argv", ["voicemill", *map(str, words)]),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(said),
    ):
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
    return int(str(code or 0)), said.getvalue().strip()


def _labelled(recording: str, labels: str) -> Case:
    """The one recording's label is found, whatever form and case its name has."""

    def run(folder: Path) -> tuple[str, bool]:
        source = folder / "source"
        source.mkdir()
        shutil.copyfile(case(GOOD), source / recording)
        ingest(folder / "audio", source=str(source), min_minutes=0.05)
        # In one piece: the words of a recording that is cut cannot be shared out.
        slice_clips(folder / "audio", folder / "clips", min_length=6000)
        (folder / "models").mkdir()
        ledger = transcribe(
            folder / "clips",
            folder / "transcripts",
            folder / "audio",
            models=str(folder / "models"),
            speaker="anna",
            transcripts_file=str(case(labels)),
            language="en",
            min_clips=1,
        )
        texts = [label.text for label in read(folder / "transcripts" / "transcripts.list")]
        summary = ledger.summary()
        got = f"{summary['sources']}, {summary['labels_unused']} labels unused: {texts}"
        return got, summary["labels_unused"] == 0 and texts == ["Printing in the only sense."]

    return run


def _clips(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        write_wav(folder / name, read_mono(case(GOOD), 32_000), 32_000, "PCM_16")
    return folder


def _transcribed(folder: Path, labels: Path) -> tuple[int, str]:
    clips = _clips(folder / "clips", "a.wav", "b.wav")
    (folder / "models").mkdir(exist_ok=True)
    return _ended(
        transcribe,
        clips=clips,
        transcripts=folder / "transcripts",
        models=folder / "models",
        speaker="anna",
        transcripts_file=labels,
    )


def _japanese_as_chinese(folder: Path) -> tuple[str, bool]:
    code, _said = _transcribed(folder, case("labels_ja_as_zh.list"))
    rows = (folder / "transcripts" / "transcripts.json").read_text(encoding="utf-8")
    models = folder / "models"
    for make in (make_hubert, make_sovits):
        make(models)
    # Beside them one pair that is right, so that the stage has something to keep.
    _clips(folder / "more", "c.wav")
    shutil.copyfile(folder / "more" / "c.wav", folder / "clips" / "c.wav")
    labels = [*read(folder / "transcripts" / "transcripts.list"), Label("c.wav", "anna", "ja", "今日はいい天気ですね")]
    write(folder / "transcripts" / "transcripts.list", labels)
    ledger = format_dataset(
        folder / "clips", folder / "transcripts", folder / "dataset", models=str(models), min_clips=1, min_seconds=1
    )
    outcomes = {entry["item"]: entry.get("reason", "kept") for entry in ledger.entries}
    dropped = all("looks like ja" in outcomes[name] for name in ("a.wav", "b.wav"))
    return f"{code}; {outcomes['a.wav']}", (
        code == 0 and rows.count('"looks-like-ja"') == 2 and dropped and outcomes["c.wav"] == "kept"
    )


def _subtitles(folder: Path) -> tuple[str, bool]:
    code, said = _transcribed(folder, case("labels.srt"))
    return f"{code}: {said}", code == 65 and "subtitle file" in said


def _labels_folder(folder: Path) -> tuple[str, bool]:
    (folder / "labels").mkdir()
    shutil.copyfile(case("labels_case.list"), folder / "labels" / "mine.list")
    code, said = _transcribed(folder, folder / "labels")
    return f"{code}: {said}", code == 64 and str(folder / "labels" / "mine.list") in said


def _pair(folder: Path) -> tuple[Path, Path]:
    make_sovits(folder)
    make_gpt(folder)
    return folder / "gsv-v2final-pretrained" / "s2G2333k.pth", next(folder.glob("*/s1*.ckpt"))


def _imported(folder: Path, sovits: Path, gpt: Path, speaker: str = "anna", reference: str = GOOD) -> tuple[int, str]:
    given = ("--reference", case(reference), "--text", "Printing in the only sense.", "--language", "en")
    return _voicemill("voices", "import", sovits, gpt, "--speaker", speaker, *given, "--out", folder / "voice")


def _tied(folder: Path) -> tuple[str, bool]:
    sovits, gpt = _pair(folder / "models")
    made = [sys.executable, str(case("tied_checkpoint.py")), str(folder / "models"), str(folder / "tied.pth")]
    subprocess.run(made, check=True, timeout=120)
    files = (folder / "tied.pth", sovits)
    codes, said = zip(*(_imported(folder / path.stem, path, gpt) for path in files), strict=True)
    return f"{codes}: {' '.join(said)}", codes == (0, 0)


def _silent_reference(folder: Path) -> tuple[str, bool]:
    code, said = _imported(folder, *_pair(folder / "models"), reference="silent_reference.flac")
    return f"{code}: {said}", code == 65 and "no speech" in said


def _speaker_empty(folder: Path) -> tuple[str, bool]:
    pair = _pair(folder / "models")
    codes, said = zip(*(_imported(folder, *pair, speaker=name) for name in ("", "a\nb")), strict=True)
    return f"{codes}: {' '.join(said)}", codes == (64, 64)


CASES: dict[str, Case] = {
    "fs_unreadable_file.sh": _unreadable("fs_unreadable_file.sh", "b.flac"),
    "fs_unreadable_folder.sh": _unreadable("fs_unreadable_folder.sh", "locked"),
    "fs_readonly_out.sh": _read_only_output,
    "fs_out_is_file.sh": _file_as_run_folder,
    "dataset_crlf.sh": _dataset_with_marks,
    "tied_checkpoint.py": _tied,
    "silent_reference.flac": _silent_reference,
    "labels_nfc.list": _labelled("cafe\u0301.flac", "labels_nfc.list"),
    "labels_case.list": _labelled(GOOD, "labels_case.list"),
    "labels_ja_as_zh.list": _japanese_as_chinese,
    "labels.srt": _subtitles,
    "cmd:labels_folder": _labels_folder,
    "cmd:speaker_empty": _speaker_empty,
}
