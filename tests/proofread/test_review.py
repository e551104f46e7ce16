"""What reviewers do, one at a time and at once: the same promises on a laptop's disk and on S3."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.proofread.factories import LENGTH, Made, an_edit, make_run, tone
from tests.proofread.serving import Client, serving
from voicemill.audio.clip_names import name_of
from voicemill.core.errors import InputError
from voicemill.dataset import clip_audio
from voicemill.dataset.review_file import read_approved
from voicemill.proofread import log
from voicemill.proofread.approval import approve
from voicemill.proofread.edits import Conflict, InvalidEdit
from voicemill.proofread.log import Entry, SqliteLog
from voicemill.proofread.review import Review
from voicemill.proofread.runs import Run, Runs, find
from voicemill.storage import fetch, is_remote, open_store


@pytest.fixture
def made(place: str, tmp_path: Path) -> Made:
    return make_run(f"{place}/anna/run-1", tmp_path / "scratch")


@pytest.fixture
def run(made: Made) -> Run:
    return opened(made)


def opened(made: Made) -> Run:
    """The run as another server process sees it."""
    (place,) = find(made.location)
    return Runs(made.location).get(place.group, place.name)


def texts(review: Review) -> list[str]:
    return [row.text for row in review.kept()]


def test_an_edit_is_there_after_a_restart_with_its_author_and_time(made: Made, run: Run) -> None:
    run.review.edit(an_edit("text", made.clips[0], text="what was  really\nsaid | here", language="zh"), "anna")
    again = opened(made).review
    row = again.rows[made.clips[0]]
    assert (row.text, row.language, row.source, row.checked) == ("what was really said , here", "zh", "reviewer", True)
    (entry,) = again.log.after(0)
    assert (entry.reviewer, entry.action, entry.changes[0].before) == ("anna", "text", run.review.base[made.clips[0]])
    assert entry.time.endswith("+00:00")


def test_of_two_reviewers_of_one_clip_the_second_is_told_and_nothing_is_overwritten(made: Made, run: Run) -> None:
    other = opened(made)
    run.review.edit(an_edit("text", made.clips[0], text="mine"), "anna")
    with pytest.raises(Conflict) as told:
        other.review.edit(an_edit("text", made.clips[0], text="yours"), "berta")
    assert told.value.clips == (made.clips[0],)
    assert other.review.rows[made.clips[0]].text == "mine"
    last = other.review.last_change(made.clips[0])
    assert last is not None and last.reviewer == "anna"
    # On top of what she was shown, it is her decision.
    other.review.edit(an_edit("text", made.clips[0], last.number, text="yours"), "berta")
    run.review.refresh()
    assert run.review.rows[made.clips[0]].text == "yours"


def test_two_who_write_the_same_do_not_disagree(made: Made, run: Run) -> None:
    run.review.edit(an_edit("text", made.clips[0], text="the same"), "anna")
    assert opened(made).review.edit(an_edit("text", made.clips[0], text="the same"), "berta") is None


def test_looking_at_what_somebody_changed_does_not_pass_for_having_seen_it(tmp_path: Path) -> None:
    """Two edits of one page: the first finds nothing to do, so the second must not count as made on top of theirs."""
    made = make_run(str(tmp_path / "run"), tmp_path)
    clip = made.clips[0]
    with serving(made.location, tmp_path / "home") as server:
        anna, berta = (Client(server.origin, server.token) for _ in range(2))
        assert anna.edit("text", clip, text="his words").json()["clips"][clip]["version"] == 1
        assert berta.edit("check", clip).json()["clips"] == {}
        assert berta.edit("text", clip, text="her words").status_code == 409
        # Her words being the same as his, she has seen them.
        assert berta.edit("text", clip, text="his words").json()["clips"][clip]["version"] == 1


def test_an_edit_that_is_sent_again_is_not_made_again(made: Made, run: Run) -> None:
    edit = an_edit("split", made.clips[0], at=LENGTH // 2, texts=["one", "two"])
    first = run.review.edit(edit, "anna")
    run.review.edit(an_edit("drop", made.clips[3]), "anna")
    # The server that answered is gone, and the answer with it.
    second = opened(made).review.edit(edit, "anna")
    assert first == second
    assert [entry.action for entry in run.review.log.after(0)] == ["split", "drop"]


def test_many_at_once_lose_nothing(made: Made, request: pytest.FixtureRequest) -> None:
    # moto checks a condition and writes in two steps, so that its clients take turns.
    at_once = 1 if "moto" in request.node.name else 8
    servers = [opened(made).review for _ in range(4)]

    def work(number: int) -> int:
        review, clip = servers[number % 4], made.clips[number % 6]
        for _ in range(40):
            try:
                review.edit(an_edit("text", clip, review.versions.get(clip, 0), text=f"by {number}"), str(number))
                return number
            except Conflict:
                review.refresh()
        raise AssertionError("an edit never got through")

    with ThreadPoolExecutor(at_once) as pool:
        assert sorted(pool.map(work, range(24))) == list(range(24))
    entries = list(opened(made).review.log.after(0))
    assert [entry.number for entry in entries] == list(range(1, 25))
    assert {entry.reviewer for entry in entries} == {str(number) for number in range(24)}


def test_drop_restore_and_looking_at(made: Made, run: Run) -> None:
    review, clip = run.review, made.clips[1]
    assert review.counts().open == 3
    review.edit(an_edit("drop", clip), "anna")
    assert (review.counts().dropped, review.counts().open, clip in [row.clip for row in review.kept()]) == (1, 2, False)
    review.edit(an_edit("restore", clip, 1), "anna")
    review.edit(an_edit("uncheck", clip, 2), "anna")
    assert (review.counts().dropped, review.counts().open) == (0, 3)


def test_neighbours_merge_and_nothing_else_does(made: Made, run: Run) -> None:
    a, b, c, other = made.clips[:4]
    review = run.review
    for wrong in (c, other):
        with pytest.raises(InvalidEdit):
            review.edit(an_edit("merge", a, other=wrong, other_version=0), "anna")
    review.edit(an_edit("merge", a, other=b, other_version=0), "anna")
    merged = name_of("take000", 0, 2 * LENGTH)
    row = review.rows[merged]
    assert (row.text, row.seconds, row.flags) == ("sentence number 0 sentence number 1", 4.0, ("low-confidence",))
    assert a not in review.rows and b not in review.rows
    with pytest.raises(InvalidEdit):
        review.edit(an_edit("merge", c, other=other, other_version=0), "anna")
    review.edit(an_edit("drop", c), "anna")
    with pytest.raises(InvalidEdit):
        review.edit(an_edit("merge", merged, 1, other=c, other_version=2), "anna")


def test_a_clip_is_split_at_a_sample_and_no_part_is_too_short(made: Made, run: Run) -> None:
    review, clip = run.review, made.clips[1]
    for at in (100, LENGTH - 100, LENGTH + 5):
        with pytest.raises(InvalidEdit):
            review.edit(an_edit("split", clip, at=at, texts=["a", "b"]), "anna")
    review.edit(an_edit("split", clip, at=30_001, texts=["sentence", "number 1"]), "anna")
    parts = [name_of("take000", LENGTH, LENGTH + 30_001), name_of("take000", LENGTH + 30_001, 2 * LENGTH)]
    assert [row.clip for row in review.kept()][1:3] == parts
    assert texts(review)[1:3] == ["sentence", "number 1"]


def test_every_edit_can_be_undone_and_the_undoing_too(made: Made, run: Run) -> None:
    review = run.review
    before = dict(review.rows)
    done = [
        review.edit(an_edit("text", made.clips[5], text="other words"), "anna"),
        review.edit(an_edit("merge", made.clips[0], other=made.clips[1], other_version=0), "anna"),
        review.edit(an_edit("split", made.clips[3], at=LENGTH // 2, texts=["a", "b"]), "anna"),
        review.edit(an_edit("drop", made.clips[4]), "anna"),
    ]
    after = dict(review.rows)
    undoings = [review.edit(an_edit("undo", "-", of=entry.number), "anna") for entry in done if entry]
    assert review.rows == before
    for entry in undoings:
        assert entry
        review.edit(an_edit("undo", "-", of=entry.number), "anna")
    assert review.rows == after


def test_what_others_changed_since_is_not_undone(made: Made, run: Run) -> None:
    entry = run.review.edit(an_edit("text", made.clips[0], text="mine"), "anna")
    assert entry
    opened(made).review.edit(an_edit("text", made.clips[0], 1, text="hers"), "berta")
    with pytest.raises(Conflict):
        run.review.edit(an_edit("undo", made.clips[0], of=entry.number), "anna")
    assert run.review.rows[made.clips[0]].text == "hers"


def test_the_most_doubtful_clips_come_first_flagged_or_not(made: Made, run: Run) -> None:
    rows = list(run.review.base.values())
    doubts = dict(zip([row.clip for row in rows], (0.1, 0.0, 0.7, 0.3, 0.0, 0.2), strict=True))
    review = Review([replace(row, doubt=doubts[row.clip]) for row in rows], run.review.log)
    worst = review.page().rows
    assert [row.doubt for row in worst] == [0.7, 0.3, 0.2, 0.1, 0.0, 0.0]
    assert worst[-2].flags and not worst[-1].flags, "of two that are equally doubtful the flagged one"
    assert review.page(order="recorded").rows[0].clip == rows[0].clip


def test_pages_show_the_worst_first_and_stay_in_place_while_one_works(made: Made, run: Run) -> None:
    review = run.review
    worst = [row.clip for row in review.page().rows]
    assert [review.rows[clip].flags != () for clip in worst] == [True] * 3 + [False] * 3
    review.edit(an_edit("check", worst[0]), "anna")
    assert [row.clip for row in review.page().rows] == worst
    assert [row.clip for row in review.page("open").rows] == worst[1:3]
    assert [row.clip for row in review.page(order="recorded", start=2, size=2).rows] == list(made.clips[2:4])
    assert [row.clip for row in review.page(query="NUMBER 4").rows] == [made.clips[4]]
    review.edit(an_edit("text", worst[1], text="x"), "anna")
    assert [row.clip for row in review.page("edited").rows] == [worst[1]]


def test_a_long_log_is_read_back_whole(made: Made, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PACK_EVERY", 10)
    for number in range(23):
        run.review.edit(an_edit("text", made.clips[0], number, text=f"version {number}"), "anna")
    again = opened(made).review
    assert (again.number, again.rows[made.clips[0]].text) == (23, "version 22")
    if is_remote(made.location):
        # What is packed is only there for speed.
        store = open_store(made.location)
        (packed,) = (entry.key for entry in store.list("review/") if entry.key.endswith("packed.jsonl"))
        assert len(store.read(packed)[0].splitlines()) == 20
        store.delete(packed)
        assert opened(made).review.rows == again.rows


def test_transcripts_made_anew_keep_what_was_changed_where_the_recogniser_says_the_same(
    made: Made, run: Run, tmp_path: Path
) -> None:
    review = run.review
    review.edit(an_edit("text", made.clips[0], text="kept"), "anna")
    review.edit(an_edit("text", made.clips[1], text="outdated"), "anna")
    review.edit(an_edit("merge", made.clips[3], other=made.clips[4], other_version=0), "anna")
    run.close()
    make_run(made.location, tmp_path / "again", texts=["sentence number 0", "heard otherwise"])
    fresh = opened(made).review
    assert texts(fresh)[:3] == ["kept", "heard otherwise", "sentence number 2"]
    assert name_of("take001", 0, 2 * LENGTH) in fresh.rows and made.clips[3] not in fresh.rows
    (entry,) = fresh.log.after(0)
    assert entry.action == "carry-over"


def test_the_sound_of_a_merged_clip_is_that_of_its_parts(made: Made, run: Run) -> None:
    run.review.edit(an_edit("merge", made.clips[0], other=made.clips[1], other_version=0), "anna")
    merged = clip_audio.read(run.audio(name_of("take000", 0, 2 * LENGTH)))
    assert np.array_equal(merged, np.concatenate([tone(0), tone(1)]))
    assert np.array_equal(clip_audio.read(run.audio(made.clips[5])), tone(5))
    outline = clip_audio.peaks(merged)
    assert len(outline) == 1200 and max(outline) == int(merged.max()) * 127 // 32768
    for unknown in ("take000_0000000000_0000000001.wav", "../x"):
        with pytest.raises(InputError):
            run.audio(unknown)


def test_what_was_approved_can_be_read_where_it_was_written(made: Made, run: Run, tmp_path: Path) -> None:
    run.review.edit(an_edit("drop", made.clips[0]), "anna")
    _, place, _ = approve(run, "0" * 16, "berta", 1, lambda run, parameters: "not-waiting")
    assert place == f"{made.location}/review/approved.json"
    approved = read_approved(fetch(place, tmp_path / "cache"))
    assert (approved.reviewer, approved.reviewers, approved.number) == ("berta", ("anna", "berta"), 2)
    assert [row.clip for row in approved.rows] == list(made.clips[1:]) and approved.dropped == (made.clips[0],)


def test_runs_are_found_by_address_and_in_folders(place: str, tmp_path: Path) -> None:
    for speaker, name in (("anna", "run-1"), ("anna", "run-2"), ("berta", "run-1")):
        make_run(f"{place}/{speaker}/{name}", tmp_path / speaker / name, recordings=1, each=1, with_sound=False)
    runs = Runs(place)
    found = [("anna", "run-1"), ("anna", "run-2"), ("berta", "run-1")]
    assert [(one.group, one.name) for one in runs.places()] == found
    assert runs.get("berta", "run-1").speaker == "berta"
    for group, name in (("berta", "run-2"), ("-", "anna"), ("anna", ".."), ("..", "anna"), ("anna", "run-1/x")):
        with pytest.raises(InputError):
            runs.get(group, name)


def test_a_list_edited_by_hand_counts(tmp_path: Path) -> None:
    made = make_run(str(tmp_path / "run"), tmp_path)
    path = tmp_path / "run/transcribe/transcripts/transcripts.list"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0].replace("sentence number 0", "by hand"), *lines[2:]]) + "\n")
    rows = opened(made).review.rows
    assert (rows[made.clips[0]].text, rows[made.clips[0]].checked) == ("by hand", True)
    assert made.clips[1] not in rows


def test_the_log_on_disk_cannot_be_rewritten(tmp_path: Path) -> None:
    written = SqliteLog(tmp_path / "log.db")
    assert written.append(Entry(1, "a", "anna", "now", "check"))
    assert not written.append(Entry(1, "b", "berta", "now", "check"))
    database = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    for statement in ("UPDATE log SET line = ''", "DELETE FROM log"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(statement)


def test_what_was_answered_survives_a_kill_in_mid_writing(tmp_path: Path) -> None:
    """A process that does nothing but write is killed; all that it said it had written is there."""
    program = (
        "import sys; from pathlib import Path; from voicemill.proofread.log import Entry, SqliteLog\n"
        "log = SqliteLog(Path(sys.argv[1]))\n"
        "for n in range(1, 100000):\n"
        "    assert log.append(Entry(n, str(n), 'anna', 'now', 'check'))\n"
        "    print(n, flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "log.db")], stdout=subprocess.PIPE)
    assert writer.stdout
    for _ in range(25):
        said = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    said = max([said, *map(int, writer.stdout.read().split())])
    assert [entry.number for entry in SqliteLog(tmp_path / "log.db").after(0)][:said] == list(range(1, said + 1))
