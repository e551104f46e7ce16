"""The page in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.proofread.factories import LENGTH, Made, make_run
from tests.proofread.page import Reviewer, reviewing
from tests.proofread.serving import Client, Server, serving
from voicemill.audio.clip_names import name_of


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a folder to which every test adds a run of its own."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "home").mkdir()
    make_run(str(folder / "runs" / "first"), folder, recordings=1, each=2)
    make_run(str(folder / "runs" / "second"), folder, recordings=1, each=2)
    with serving(str(folder / "runs"), folder / "home") as server:
        yield server


@pytest.fixture
def made(shared: Server, tmp_path: Path) -> Made:
    return make_run(f"{shared.location}/{tmp_path.name}", tmp_path)


@pytest.fixture
def server(shared: Server, made: Made) -> Server:
    """The server, at the page of this test's run."""
    shared.path = f"/review/-/{Path(made.location).name}"
    return shared


@pytest.fixture
def anna(browser: Browser, server: Server) -> Iterator[Reviewer]:
    with reviewing(browser, server) as reviewer:
        yield reviewer


def client_of(server: Server) -> Client:
    return Client(server.origin, server.token, server.path.removeprefix("/review/"))


def exported(server: Server) -> list[str]:
    """Texts of the exported list."""
    client = client_of(server)
    return [line.rpartition("|")[2] for line in client.get(f"{client.run}/export.list").text.splitlines()]


def test_a_review_by_keys_alone(anna: Reviewer, server: Server) -> None:
    anna.press("e", "End")
    anna.page.keyboard.type(" and more")
    anna.press("Enter", "Enter", "Shift+Enter", "Escape", "j", "d")
    anna.saved()
    anna.count("5 clips")
    anna.count("1 changed · 1 dropped")
    expect(anna.clip(1)).to_have_class(re.compile("checked"))
    assert exported(server)[:3] == ["sentence number 0 and more", "sentence number 1", "sentence number 3"]
    anna.press("u", "u")
    anna.count("6 clips")
    anna.saved()
    anna.press("u")
    anna.count("0 changed · 0 dropped")
    assert anna.texts()[0] == "sentence number 0"
    anna.page.reload()
    anna.ready()
    assert anna.texts() == [f"sentence number {number}" for number in range(6)]


def test_language_and_text_by_mouse(anna: Reviewer, server: Server) -> None:
    anna.text(3).fill("你好")
    anna.clip(3).locator("select").select_option("zh")
    anna.saved()
    rows = client_of(server).rows()
    (row,) = (row for row in rows if row["text"] == "你好")
    assert (row["language"], row["version"] > 0) == ("zh", True)


def test_merge_split_and_undo_with_the_sound_that_belongs_to_them(anna: Reviewer, server: Server) -> None:
    anna.press("m")
    expect(anna.clips).to_have_count(5)
    assert anna.texts()[0] == "sentence number 0 sentence number 1"
    expect(anna.active.locator(".seconds")).to_have_text("4.0 s")
    client = client_of(server)
    merged = client.get(f"{client.run}/audio/{name_of('take000', 0, 2 * LENGTH)}").content
    parts = [
        client.get(f"{client.run}/audio/{name_of('take000', n * LENGTH, (n + 1) * LENGTH)}").content for n in (0, 1)
    ]
    assert merged[44:] == parts[0][44:] + parts[1][44:]

    anna.press("j")
    expect(anna.active.locator("#wave")).to_be_visible()
    anna.point(0.25)
    anna.text(1).press("End")
    for _ in range(len(" number 2")):
        anna.press("ArrowLeft")
    anna.press("Escape")
    # Half a second is too little for a clip.
    anna.press("s")
    expect(anna.page.locator("#message")).to_have_text("Each part must be 0.6 s or longer.")
    anna.point(0.5)
    anna.press("s")
    expect(anna.clips).to_have_count(6)
    assert anna.texts()[1:3] == ["sentence", "number 2"]
    anna.saved()
    (left,) = (row for row in client.rows() if row["text"] == "sentence")
    assert abs(left["seconds"] - 1.0) < 0.01
    anna.press("u")
    expect(anna.clips).to_have_count(5)
    anna.press("u")
    expect(anna.clips).to_have_count(6)
    anna.saved()
    assert exported(server) == [f"sentence number {number}" for number in range(6)]


def test_one_key_plays_and_the_line_follows(anna: Reviewer) -> None:
    anna.until("document.querySelector('audio').readyState > 2")
    anna.press("Space")
    anna.until("document.querySelector('audio').currentTime > 0.2")
    anna.press("Space")
    anna.until("document.querySelector('audio').paused")
    anna.press("e", "Control+Space")
    anna.until("!document.querySelector('audio').paused")
    assert anna.texts()[0] == "sentence number 0"


def test_keys_that_choose_an_input_methods_suggestion_do_not_leave_the_text(anna: Reviewer) -> None:
    anna.text(0).click()
    session = anna.page.context.new_cdp_session(anna.page)
    session.send("Input.imeSetComposition", {"text": "ni hao", "selectionStart": 6, "selectionEnd": 6})
    anna.text(0).dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    expect(anna.text(0)).to_be_focused()
    session.send("Input.insertText", {"text": "你好"})
    anna.press("Enter")
    expect(anna.text(1)).to_be_focused()
    anna.saved()
    assert "你好" in anna.texts()[0]


def test_what_is_typed_while_offline_is_kept_and_sent_later(anna: Reviewer, server: Server) -> None:
    anna.page.context.set_offline(True)
    anna.text(0).fill("typed on a train")
    anna.text(2).fill("in a tunnel")
    expect(anna.page.locator("#saving")).to_contain_text("Offline: 2 changes kept here")
    expect(anna.clip(0).locator(".state")).to_have_text("not saved yet")
    anna.page.context.set_offline(False)
    anna.saved()
    assert exported(server)[0] == "typed on a train" and exported(server)[2] == "in a tunnel"


def test_what_is_typed_while_the_server_is_dead_outlives_the_page_too(anna: Reviewer, server: Server) -> None:
    server.kill()
    anna.text(0).fill("typed into a dead page")
    expect(anna.page.locator("#saving")).to_contain_text("Offline")
    context = anna.page.context
    anna.page.close()
    server.start()
    later = Reviewer(context, f"{server.origin}{server.path}?order=recorded")
    later.saved()
    assert later.texts()[0] == "typed into a dead page" == exported(server)[0]


def test_a_reload_in_mid_sentence_loses_nothing(anna: Reviewer, server: Server) -> None:
    anna.text(0).press("End")
    anna.page.keyboard.type(" unfinish")
    anna.page.reload()
    anna.ready()
    anna.saved()
    assert anna.texts()[0] == "sentence number 0 unfinish" == exported(server)[0]


def test_two_reviewers_of_one_clip_are_shown_both_texts(browser: Browser, anna: Reviewer, server: Server) -> None:
    with reviewing(browser, server) as berta:
        berta.page.context.set_offline(True)
        berta.text(0).fill("hers")
        berta.text(1).fill("hers too")
        expect(berta.page.locator("#saving")).to_contain_text("Offline")
        anna.text(0).fill("his")
        anna.text(1).fill("his too")
        anna.saved()
        berta.page.context.set_offline(False)
        conflicts = berta.page.locator("#conflicts li")
        expect(conflicts).to_have_count(2)
        expect(conflicts.first.locator(".theirs")).to_contain_text("his")
        expect(conflicts.first.locator(".mine")).to_have_text("hers")
        expect(berta.page.locator("#saving")).to_have_text("2 to decide")
        # Undecided, they outlive a reload.
        berta.page.reload()
        berta.ready()
        expect(conflicts).to_have_count(2)
        conflicts.first.locator("[data-do=mine]").click()
        conflicts.first.locator("[data-do=theirs]").click()
        berta.saved()
        assert berta.texts()[:2] == ["hers", "his too"]
    assert exported(server)[:2] == ["hers", "his too"]
    # The other one sees it without doing anything.
    expect(anna.text(0)).to_have_value("hers")


def test_two_tabs_of_one_person_work_side_by_side(anna: Reviewer, server: Server) -> None:
    second = Reviewer(anna.page.context, f"{server.origin}{server.path}?order=recorded")
    anna.text(0).fill("from one tab")
    second.text(1).fill("from another")
    anna.saved()
    second.saved()
    assert exported(server)[:2] == ["from one tab", "from another"]
    expect(anna.text(1)).to_have_value("from another")


def test_a_clip_that_somebody_merged_meanwhile_does_not_swallow_words(
    browser: Browser, anna: Reviewer, server: Server
) -> None:
    with reviewing(browser, server) as berta:
        berta.page.context.set_offline(True)
        berta.text(1).fill("words for a clip that is going")
        anna.press("m")
        expect(anna.clips).to_have_count(5)
        berta.page.context.set_offline(False)
        conflict = berta.page.locator("#conflicts li")
        expect(conflict.locator(".mine")).to_have_text("words for a clip that is going")
        expect(conflict.locator(".theirs")).to_have_text("(removed)")
        expect(conflict.locator("[data-do=mine]")).to_be_hidden()
        expect(berta.page.locator("#news")).to_be_visible()
        berta.page.locator("#refresh").click()
        expect(berta.clips).to_have_count(5)


def test_text_that_looks_like_a_page_is_shown_as_text(browser: Browser, shared: Server, tmp_path: Path) -> None:
    """Stored cross-site scripting: in a transcript of the recogniser, in a speaker's name, and typed by a reviewer."""
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    speaker = "<b>anna</b>"
    make_run(f"{shared.location}/evil", tmp_path, recordings=1, each=2, speaker=speaker, texts=[evil])
    shared.path = "/review/-/evil"
    with reviewing(browser, shared) as anna:
        assert anna.texts()[0] == evil
        anna.text(1).fill(evil)
        anna.saved()
        with reviewing(browser, shared) as berta:
            berta.page.context.set_offline(True)
            berta.text(1).fill("x")
            anna.text(1).fill(evil + "!")
            anna.saved()
            berta.page.context.set_offline(False)
            expect(berta.page.locator("#conflicts .theirs")).to_contain_text(evil)
            for page in (anna.page, berta.page):
                assert page.locator("main img, main script, #conflicts img").count() == 0
                assert page.title() == speaker
        # Even HTML that got into the page could not run.
        anna.page.evaluate("text => document.body.insertAdjacentHTML('beforeend', text)", evil)
        anna.page.wait_for_timeout(200)
        assert anna.page.title() == speaker
        assert any("Content Security Policy" in said for said in anna.complaints)
        anna.complaints.clear()
        anna.page.goto(shared.origin)
        expect(anna.page.locator("#runs")).to_contain_text(f"{speaker} · evil")


def test_ten_thousand_clips_open_within_a_second(browser: Browser, shared: Server, tmp_path: Path) -> None:
    make_run(f"{shared.location}/large", tmp_path, recordings=500, each=20, with_sound=False)
    shared.path = "/review/-/large"
    with reviewing(browser, shared) as anna:
        times = []
        for _ in range(3):
            begun = time.perf_counter()
            anna.page.reload()
            anna.ready()
            expect(anna.clips).to_have_count(50)
            times.append(time.perf_counter() - begun)
        assert min(times) < 1.0, times
        expect(anna.page.locator("#page")).to_have_text("1–50 of 10000")
        anna.page.select_option("#view", "open")
        expect(anna.page.locator("#page")).to_have_text("1–50 of 5000")
        anna.press("]")
        expect(anna.page.locator("#page")).to_have_text("51–100 of 5000")
        anna.page.fill("#query", "number 9999")
        anna.press("Enter")
        expect(anna.page.locator("#page")).to_have_text("1–1 of 1")


def test_it_speaks_chinese_and_fits_a_telephone(browser: Browser, server: Server) -> None:
    with reviewing(browser, server, language="zh-CN", width=390) as anna:
        expect(anna.page.locator("#saving")).to_have_text("所有修改已保存")
        expect(anna.page.locator("#approve")).to_have_text("通过")
        assert anna.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for button in anna.active.locator(".foot button").all():
            box = button.bounding_box()
            assert box and box["height"] >= 40 and box["x"] + box["width"] <= 390
        anna.page.locator("#language").click()
        expect(anna.page.locator("#approve")).to_have_text("Approve")
        anna.page.reload()
        anna.ready()
        expect(anna.page.locator("#approve")).to_have_text("Approve")


def test_signing_in_by_hand_and_again_when_the_session_is_over(browser: Browser, server: Server) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(f"{server.origin}{server.path}")
    for given in ("wrong", server.token):
        page.fill("#token", given)
        page.press("#token", "Enter")
    expect(page.locator(".clip")).to_have_count(6)
    context.clear_cookies()
    page.locator(".clip textarea").first.fill("typed after the session was over")
    expect(page.locator("#sign-in")).to_be_visible()
    page.fill("#token", server.token)
    page.press("#token", "Enter")
    expect(page.locator("#saving")).to_have_text("All changes saved")
    page.goto(server.origin)
    expect(page.locator("#runs a")).not_to_have_count(0)
    context.close()


def test_approving_asks_for_everything_to_be_decided(anna: Reviewer, made: Made) -> None:
    anna.text(0).fill("approved words")
    anna.page.click("#approve")
    anna.page.click("#approve-now")
    expect(anna.page.locator("#approval-result")).to_contain_text("Approved. No run is waiting for it")
    approved = (Path(made.location) / "review" / "approved.json").read_text()
    assert "approved words" in approved
    anna.page.click("#approval button[value=close]")
    expect(anna.page.locator("#approve")).to_have_class("main done")
    # A finished review is open again with the next change.
    anna.text(1).fill("second thoughts")
    anna.saved()
    expect(anna.page.locator("#approve")).to_have_class("main")
    anna.page.context.set_offline(True)
    anna.text(1).fill("third thoughts")
    anna.page.click("#approve")
    expect(anna.page.locator("#approval-result")).to_contain_text("not saved yet")
    expect(anna.page.locator("#approve-now")).to_be_disabled()
    anna.page.context.set_offline(False)
