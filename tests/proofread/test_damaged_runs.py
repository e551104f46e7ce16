"""A damaged run is one line in the list of runs, in words, and hides no other."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.proofread.factories import make_run
from tests.proofread.serving import Client, serving
from voicemill.core.errors import InputError
from voicemill.proofread.runs import Runs

TABLE = "transcribe/transcripts/transcripts.json"
LIST = "transcribe/transcripts/transcripts.list"


def entry(run: Path, line: str) -> None:
    """Put a line of its own into a review's log."""
    (log,) = (run / "review").glob("*.db")
    with sqlite3.connect(log) as database:
        database.execute("INSERT INTO log VALUES (1, 'x', ?)", (line,))
    database.close()


def change(path: Path, old: str, new: str) -> None:
    """Replace something in a file that is there."""
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "not UTF-8": lambda run: (run / TABLE).write_bytes(b"\xff\xfe["),
    "cut off": lambda run: (run / TABLE).write_bytes((run / TABLE).read_bytes()[:99]),
    "empty": lambda run: (run / TABLE).write_bytes(b""),
    "nested deeply": lambda run: (run / TABLE).write_bytes(b"[" * 100_000),
    "an object": lambda run: (run / TABLE).write_bytes(b"{}"),
    "numbers for rows": lambda run: (run / TABLE).write_bytes(b"[1, 2]"),
    "no text": lambda run: change(run / TABLE, '"text"', '"words"'),
    "texts for numbers": lambda run: (run / TABLE).write_text(
        (run / TABLE).read_text().replace('"seconds": ', '"seconds": "long", "x": ')
    ),
    "no list": lambda run: (run / LIST).unlink(),
    "a folder for a list": lambda run: ((run / LIST).unlink(), (run / LIST).mkdir()),
    "a list in Latin-1": lambda run: (run / LIST).write_bytes("a.wav|änna|EN|ä".encode("latin-1")),
    "a review that is not a database": lambda run: next((run / "review").glob("*.db")).write_bytes(b"x" * 5000),
    "an entry cut off": lambda run: entry(run, '{"number": 1'),
    "an entry of other types": lambda run: entry(run, '{"number": "1", "changes": {}}'),
}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The folder of a good run and of one that was opened once, to be damaged."""
    for name in ("good", "bad"):
        make_run(str(tmp_path / "runs" / name), tmp_path / name, recordings=1, each=2)
    opened = Runs(str(tmp_path / "runs"))
    opened.get("-", "bad")
    opened.close()
    return tmp_path / "runs"


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_said_in_a_sentence(runs: Path, damage: str) -> None:
    for left in (runs / "bad" / "review").glob("*.db-*"):
        left.unlink()
    DAMAGE[damage](runs / "bad")
    served = Runs(str(runs))
    assert [place.name for place in served.places()] == ["bad", "good"]
    with pytest.raises(InputError) as raised:
        served.get("-", "bad")
    assert "\n" not in str(raised.value)
    assert served.get("-", "good").review.counts().total == 2
    served.close()


def test_the_list_shows_the_damaged_run_and_the_others(runs: Path, tmp_path: Path, browser: Browser) -> None:
    DAMAGE["not UTF-8"](runs / "bad")
    with serving(str(runs), tmp_path, complaint="cannot be reviewed") as server:
        client = Client(server.origin, server.token)
        bad, good = client.get(f"{server.origin}/api/runs").json()["runs"]
        assert "is not UTF-8" in bad["problem"] and good["counts"]["total"] == 2
        assert client.get(f"{server.origin}/api/runs/-/bad").status_code == 404
        assert client.get(f"{server.origin}/api/runs/-/good").status_code == 200
        page = browser.new_page()
        page.goto(f"{server.origin}/#token={server.token}")
        expect(page.locator("#runs li")).to_have_count(2)
        expect(page.locator("#runs li").first).to_contain_text("is not UTF-8")
        expect(page.locator("#runs a")).to_have_count(1)
        page.close()


def test_a_damaged_run_is_shown_only_to_who_may_see_every_voice(runs: Path, tmp_path: Path) -> None:
    DAMAGE["cut off"](runs / "bad")
    people = tmp_path / "people.yaml"
    people.write_text(
        "reviewers:\n"
        "  - {name: all, token: a token for all of them, voices: ['*']}\n"
        "  - {name: one, token: a token for only one, voices: [anna]}\n"
    )
    with serving(str(runs), tmp_path, "--reviewers", str(people), complaint="cannot be reviewed") as server:
        seen = [
            {run["name"] for run in Client(server.origin, token).get(f"{server.origin}/api/runs").json()["runs"]}
            for token in ("a token for all of them", "a token for only one")
        ]
        assert seen == [{"bad", "good"}, {"good"}]


def test_a_clip_that_is_a_link_out_of_its_folder_is_not_sent(tmp_path: Path) -> None:
    made = make_run(str(tmp_path / "run"), tmp_path / "scratch", recordings=1, each=2)
    (tmp_path / "secret.txt").write_text("secret")
    clip = tmp_path / "run" / "slice" / "clips" / made.clips[0]
    clip.unlink()
    clip.symlink_to(tmp_path / "secret.txt")
    served = Runs(str(tmp_path / "run"))
    with pytest.raises(InputError, match="leads out"):
        served.get("-", "run").audio(made.clips[0])
    served.close()
