"""Two browsers edit the same clips while the server is killed again and again: whatever was typed is somewhere."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.proofread.factories import make_run
from tests.proofread.page import Reviewer, reviewing
from tests.proofread.serving import Client, Server, serving

EDITS, KILLS = 500, 10
# What a person does, without the time that a person takes.
TYPE = """
([number, word]) => {
    const clips = document.querySelectorAll('.clip');
    const field = clips[number % clips.length].querySelector('textarea');
    field.value += ' ' + word;
    field.dispatchEvent(new Event('input', {bubbles: true}));
}
"""
CLICK = """
([number, action]) => {
    const clips = document.querySelectorAll('.clip');
    clips[number % clips.length].querySelector(`[data-do=${action}]`).click();
}
"""


def kill_again_and_again(server: Server, chance: random.Random, done: threading.Event) -> None:
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.3, 1.0))
        server.kill()
        time.sleep(chance.uniform(0.0, 0.5))
        server.start()
    done.set()


def test_five_hundred_edits_from_two_browsers_survive_ten_kills(browser: Browser, tmp_path: Path) -> None:
    make_run(str(tmp_path / "run"), tmp_path, recordings=10, each=5)
    chance = random.Random(7)
    words = [f"w{number:03d}" for number in range(EDITS)]
    with (
        serving(str(tmp_path / "run"), tmp_path) as server,
        reviewing(browser, server) as anna,
        reviewing(browser, server) as berta,
    ):
        killed = threading.Event()
        killer = threading.Thread(target=kill_again_and_again, args=(server, random.Random(8), killed))
        killer.start()
        for number, word in enumerate(words):
            reviewer = chance.choice((anna, berta))
            if chance.random() < 0.06:
                reviewer.page.evaluate(CLICK, [chance.randrange(1000), chance.choice(("merge", "check"))])
            reviewer.page.evaluate(TYPE, [chance.randrange(1000), word])
            if number % 5 == 0 and not killed.is_set():
                reviewer.page.wait_for_timeout(100)
        killer.join()
        undecided = []
        for reviewer in (anna, berta):
            expect(reviewer.page.locator("#saving")).to_have_text(
                re.compile(r"^(All changes saved|\d+ to decide)$"), timeout=60_000
            )
            undecided += shown_as_conflicts(reviewer)
        client = Client(server.origin, server.token)
        exported = set(client.get(f"{client.run}/export.list").text.split())
        log = [json.loads(line) for line in client.get(f"{client.run}/log.jsonl").text.splitlines()]

    assert [entry["number"] for entry in log] == list(range(1, len(log) + 1))
    assert len({entry["id"] for entry in log}) == len(log)
    conflicts = set(" ".join(undecided).split())
    lost = [word for word in words if not {word} & (exported | conflicts)]
    assert lost == []
    assert len(exported & set(words)) > EDITS / 4 and conflicts
    assert {entry["action"] for entry in log} >= {"text", "merge", "check"}


def shown_as_conflicts(reviewer: Reviewer) -> list[str]:
    """The reviewer's own words in the conflicts that are shown."""
    return reviewer.page.locator("#conflicts .mine").all_inner_texts()
