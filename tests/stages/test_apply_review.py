"""The approved dataset: sound exact to the sample, words as they were approved, and what happens without a reviewer."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.proofread.factories import LENGTH, an_edit, make_run, tone
from tests.speech import speech
from voicemill.audio import reading
from voicemill.audio.clip_names import name_of
from voicemill.core.errors import InputError
from voicemill.dataset import labels
from voicemill.proofread import approval
from voicemill.proofread.runs import Run, Runs
from voicemill.stages.apply_review import apply_review
from voicemill.stages.slice import slice_clips


@dataclass
class Case:
    """A run that was reviewed, and where its revision goes."""

    folder: Path
    run: Run
    clips: tuple[str, ...]

    def approve(self) -> str:
        number = self.run.review.number
        _, place, _ = approval.approve(self.run, "0" * 16, "anna", number, approval.resume_here)
        return place

    def revise(self, **options):
        levelled = self.folder / "normalize" / "levelled"
        return apply_review(
            self.folder / "slice" / "clips",
            self.folder / "transcribe" / "transcripts",
            self.folder / "apply-review" / "clips",
            self.folder / "apply-review" / "transcripts",
            levelled if levelled.exists() else None,
            speaker="anna",
            **options,
        )

    def listed(self) -> dict[str, str]:
        found = labels.read(self.folder / "apply-review" / "transcripts" / "transcripts.list")
        return {label.name: label.text for label in found}

    def sound(self, clip: str) -> np.ndarray:
        return soundfile.read(self.folder / "apply-review" / "clips" / clip, dtype="int16")[0]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = make_run(str(tmp_path / "run"), tmp_path)
    return Case(tmp_path / "run", Runs(made.location).get("-", "run"), made.clips)


def test_what_was_edited_merged_split_and_dropped(case: Case) -> None:
    edit, (a, b, c, d, e, f) = case.run.review.edit, case.clips
    edit(an_edit("text", c, text="said otherwise", language="zh"), "anna")
    edit(an_edit("merge", a, other=b, other_version=0), "anna")
    edit(an_edit("split", e, at=30_001, texts=["one", "two"]), "berta")
    edit(an_edit("drop", f), "anna")
    ledger = case.revise(review=case.approve())
    merged = name_of("take000", 0, 2 * LENGTH)
    parts = [name_of("take001", LENGTH, LENGTH + 30_001), name_of("take001", LENGTH + 30_001, 2 * LENGTH)]
    together = "sentence number 0 sentence number 1"
    texts = {merged: together, c: "said otherwise", d: "sentence number 3", parts[0]: "one", parts[1]: "two"}
    assert case.listed() == texts
    assert sorted(path.name for path in (case.folder / "apply-review" / "clips").iterdir()) == sorted(texts)
    assert np.array_equal(case.sound(merged), np.concatenate([tone(0), tone(1)]))
    assert np.array_equal(case.sound(parts[0]), tone(4)[:30_001])
    assert np.array_equal(case.sound(parts[1]), tone(4)[30_001:])
    assert np.array_equal(case.sound(c), tone(2))
    reasons = {entry["item"]: entry.get("reason") for entry in ledger.entries if entry["outcome"] == "dropped"}
    assert reasons == {f: "dropped in proofreading"} | dict.fromkeys((a, b, e), "merged or split in proofreading")
    summary = ledger.summary()
    assert (summary["reviewer"], summary["kept"], summary["edited"], summary["recut"]) == ("anna", 5, 4, 3)
    review = json.loads((case.folder / "apply-review" / "transcripts" / "review.json").read_text())
    assert (review["reviewers"], review["digest"]) == (["anna", "berta"], summary["digest"])
    rows = json.loads((case.folder / "apply-review" / "transcripts" / "transcripts.json").read_text())
    by_clip = {row["clip"]: row for row in rows}
    assert (by_clip[c]["confidence"], by_clip[c]["flags"], by_clip[c]["language"]) == (1.0, [], "zh")
    assert by_clip[d]["flags"] == ["low-confidence"]


def test_a_clip_cut_again_is_what_slice_would_have_cut(tmp_path: Path) -> None:
    """From the levelled recording, level included: nobody can hear who chose the bounds."""
    levelled = tmp_path / "run" / "normalize" / "levelled"
    levelled.mkdir(parents=True)
    wave = np.concatenate([speech(5), np.zeros(48_000, np.float32), speech(5, skip=5)])
    reading.write_wav(levelled / "take-01234567.wav", wave, 16_000)
    sliced = tmp_path / "run" / "slice" / "clips"
    slice_clips(levelled, sliced, max_seconds=4.0)
    before = {path.name: path.read_bytes() for path in sorted(sliced.iterdir())}
    made = make_run(str(tmp_path / "run"), tmp_path, with_sound=False)
    names = list(before)
    transcripts = tmp_path / "run" / "transcribe" / "transcripts"
    rows = json.loads((transcripts / "transcripts.json").read_text())[: len(names)]
    rows = [{**row, "clip": name} for row, name in zip(rows, names, strict=True)]
    (transcripts / "transcripts.json").write_text(json.dumps(rows))
    (transcripts / "transcripts.list").write_text("".join(f"{r['clip']}|anna|EN|{r['text']}\n" for r in rows))
    case = Case(tmp_path / "run", Runs(made.location).get("-", "run"), tuple(names))
    place = case.approve()
    for path in sliced.iterdir():
        path.unlink()
    assert case.revise(review=place).summary()["recut"] == len(names)
    assert {name: (case.folder / "apply-review" / "clips" / name).read_bytes() for name in names} == before


def test_a_review_of_other_transcripts_is_refused(case: Case, tmp_path: Path) -> None:
    place = case.approve()
    case.run.close()
    make_run(str(case.folder), tmp_path / "again", texts=["heard anew"])
    with pytest.raises(InputError, match="other transcripts"):
        case.revise(review=place)


@pytest.mark.parametrize(
    ("unanswered", "kept"), [("continue", 6), ("drop-flagged", 3)], ids=["continue", "drop-flagged"]
)
def test_without_an_answer_in_time(case: Case, unanswered: str, kept: int) -> None:
    assert case.revise(on_review_timeout=unanswered).kept == kept == len(case.listed())


def test_without_an_answer_the_run_may_fail(case: Case) -> None:
    with pytest.raises(InputError, match="were not approved"):
        case.revise(on_review_timeout="fail")
    # Where nobody was asked, nobody failed to answer.
    assert case.revise(on_review_timeout="fail", proofreading="Skipped").kept == 6


def test_an_approved_clip_without_words_is_dropped_with_the_reason(case: Case) -> None:
    case.run.review.edit(an_edit("text", case.clips[0], text="..."), "anna")
    ledger = case.revise(review=case.approve())
    assert [entry["reason"] for entry in ledger.entries if entry["outcome"] == "dropped"] == ["it has no words"]


@pytest.mark.parametrize(
    "name",
    [
        "{outside}/r_0000000000_0000032000.wav",
        "../../../outside/r_0000000000_0000032000.wav",
        "deep/r_0000000000_0000032000.wav",
        "..",
        "",
        "a\x1b[31m.wav",
        "..\\r_0000000000_0000032000.wav",
        "\uff0e\uff0e\uff0fr_0000000000_0000032000.wav",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("field", ["rows", "dropped"])
def test_an_approval_that_names_a_file_elsewhere_is_refused_whole(
    case: Case, name: str, field: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    place = Path(case.approve())
    approved = json.loads(place.read_text())
    name = name.format(outside=outside)
    approved[field].append({**approved["rows"][0], "clip": name} if field == "rows" else name)
    place.write_text(json.dumps(approved))
    with pytest.raises(InputError, match="names the clip .*: it "):
        case.revise(review=str(place))
    assert not list(outside.iterdir()) and not (case.folder / "apply-review" / "clips").exists()


def test_a_link_among_the_clips_is_not_followed_out_of_them(case: Case, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("PRIVATE")
    clip = case.folder / "slice" / "clips" / case.clips[0]
    place = case.approve()
    clip.unlink()
    clip.symlink_to(tmp_path / "secret")
    ledger = case.revise(review=place)
    dropped = {entry["item"]: entry["reason"] for entry in ledger.entries if entry["outcome"] == "dropped"}
    assert "leads out of it" in dropped[case.clips[0]]


def test_a_clip_whose_name_claims_any_length_is_dropped(case: Case) -> None:
    place = Path(case.approve())
    approved = json.loads(place.read_text())
    recording = approved["rows"][0]["clip"].rsplit("_", 2)[0]
    lie = f"{recording}_0000000000_99999999999999.wav"
    approved["rows"].append({**approved["rows"][0], "clip": lie})
    place.write_text(json.dumps(approved))
    ledger = case.revise(review=str(place))
    dropped = {entry["item"]: entry["reason"] for entry in ledger.entries if entry["outcome"] == "dropped"}
    assert "ends after the last clip" in dropped[lie]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"format": 1}', b"[" * 200_000, b"\xff", b'{"format": 1, "rows": [5]}']
)
def test_a_damaged_approval_is_refused_in_a_sentence(case: Case, content: bytes) -> None:
    place = Path(case.approve())
    place.write_bytes(content)
    with pytest.raises(InputError, match="approved.json .*approve it in the page again"):
        case.revise(review=str(place))
