"""The page in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile
from playwright.sync_api import Browser, Page, Route, expect

from tests.real_whisper import whisper_models
from tests.serving.running import Server, serving
from tests.small_voice import hearing_models, make_voice

__all__ = ["whisper_models"]

expect.set_options(timeout=60_000)
LINE = "Good morning, the rain has stopped."
KEY = "key-of-the-tests-of-the-page"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "keys.yaml").write_text(f"keys:\n- {{name: me, key: {KEY}, voices: ['*']}}\n")
    with serving(str(make_voice(folder / "ada")), "--keys", str(folder / "keys.yaml")) as server:
        yield server


@contextmanager
def opened(
    browser: Browser, server: Server, *, language: str = "en-GB", width: int = 1000, key: str = KEY
) -> Iterator[Page]:
    """The page; its scripts must not fail, and it may ask nobody but the server."""
    context = browser.new_context(locale=language, viewport={"width": width, "height": 800}, accept_downloads=True)
    if key:
        context.add_init_script(f"sessionStorage.setItem('voicemill-key', {key!r})")
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.origin)
    if key:
        page.wait_for_selector("body[data-ready]", timeout=60_000)
    try:
        yield page
    finally:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith((server.origin, f"blob:{server.origin}"))] == []


def test_a_typed_sentence_is_said_by_keys_alone_and_downloaded_with_its_mark(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    with opened(browser, server) as page:
        expect(page.locator("#text")).to_be_focused()
        page.keyboard.type(LINE)
        page.keyboard.press("Control+Enter")
        expect(page.locator("#state")).to_have_text(re.compile(r"[\d.]+ s, first sound after [\d.]+ s"))
        with page.expect_download() as download:
            page.locator("#download").click()
        download.value.save_as(tmp_path / "said.wav")
        file = soundfile.SoundFile(tmp_path / "said.wav")
        noted = json.loads(file.comment)
        assert (noted["generated"], noted["text"], noted["seed"]) == (True, LINE, 0)
        assert abs(file.frames - (tmp_path / "said.wav").stat().st_size / 2) < 1000
        first = file.read(dtype="int16")
        assert len(first) > 32000 and abs(first).max() > 1000
        again = server.speech(key=KEY, voice="ada", input=LINE, stream=True, use_prompt=False)
        assert (tmp_path / "said.wav").read_bytes()[-2 * len(first) :] == again.content[-2 * len(first) :]
        page.keyboard.press("Alt+KeyN")
        expect(page.locator("#seed")).not_to_have_value("0")
        expect(page.locator("#state")).to_have_text(re.compile("first sound after"))


@pytest.mark.whisper
def test_what_whisper_hears_stands_below_what_was_typed(browser: Browser, whisper_models: Path, tmp_path: Path) -> None:
    voice, models = make_voice(tmp_path / "ada"), hearing_models(tmp_path / "models", whisper_models)
    with serving(str(voice), "--verify", models=models) as server, opened(browser, server, key="") as page:
        page.wait_for_selector("body[data-ready]")
        page.locator("#text").fill("She put the cake on the table.")
        page.locator("#say").click()
        expect(page.locator("#heard")).to_contain_text("cake")
        expect(page.locator("#heard")).to_contain_text("table")


def test_what_would_be_pronounced_is_shown_while_typing(browser: Browser, server: Server) -> None:
    with opened(browser, server) as page:
        page.locator("#text").fill("Good morning 😀.")
        expect(page.locator("#silent")).to_have_text("Not pronounced: 😀")
        page.keyboard.press("Alt+KeyP")
        expect(page.locator("#pieces code").first).to_contain_text("M AO1 R N IH0 NG")
        expect(page.locator("#count")).to_have_text("15 characters")


def test_stopping_ends_the_work_on_the_server(browser: Browser, server: Server) -> None:
    with opened(browser, server) as page:
        page.locator("#text").fill("She put the cake on the table and went away. " * 40)
        page.locator("#say").click()
        server.until(lambda: server.metric("voicemill_queue") == 1)
        page.keyboard.press("Escape")
        expect(page.locator("#state")).to_have_text("stopped")
        server.until(lambda: server.metric("voicemill_queue") == 0)
        expect(page.locator("#stop")).to_be_disabled()


def test_a_busy_server_is_asked_again_when_it_says(browser: Browser, server: Server) -> None:
    with opened(browser, server) as page:
        refusals = []

        def busy_once(route: Route) -> None:
            if refusals:
                route.continue_()
                return
            refusals.append(1)
            route.fulfill(status=429, headers={"retry-after": "1"}, json={"error": {"message": "busy"}})

        page.route("**/v1/audio/speech", busy_once)
        page.locator("#text").fill("One apple.")
        page.locator("#say").click()
        expect(page.locator("#state")).to_have_text("Many are speaking; trying again in 1 s.")
        expect(page.locator("#state")).to_have_text(re.compile("first sound after"))


def test_what_cannot_be_said_is_told(browser: Browser, server: Server) -> None:
    with opened(browser, server) as page:
        page.locator("#text").fill("…")
        page.locator("#say").click()
        expect(page.locator("#message")).to_contain_text("nothing to speak")


def test_in_chinese_on_a_telephone_everything_fits(browser: Browser, server: Server) -> None:
    with opened(browser, server, language="zh-CN", width=360) as page:
        expect(page.locator("#say")).to_have_text("朗读")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("#say").bounding_box()["height"] >= 40  # type: ignore[index]
        page.locator("#language-button").click()
        expect(page.locator("#say")).to_have_text("Say it")
        page.reload()
        expect(page.locator("#say")).to_have_text("Say it")


def test_a_key_is_asked_for_until_one_is_right(browser: Browser, server: Server) -> None:
    with opened(browser, server, key="") as page:
        page.locator("#key").fill("a key of nobody's at all")
        page.locator("#sign-in button").click()
        expect(page.locator("#sign-in-problem")).to_have_text("That key is not known here.")
        page.locator("#key").fill(KEY)
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-ready]")
        expect(page.locator("#about")).to_contain_text("ada")
        assert KEY not in page.url
