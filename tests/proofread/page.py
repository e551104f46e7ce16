"""The page as a person uses it: by keys and clicks, seeing what is shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.proofread.serving import Server

expect.set_options(timeout=15_000)
# What the browser itself says about answers that the page deals with.
_EXPECTED = ("Failed to load resource", "net::ERR")


class Reviewer:
    """A person at the page of a review.

    Attributes:
        page: The browser's page.
        complaints: What went wrong in the page's own scripts.
    """

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda said: (
                said.type == "error"
                and not any(words in said.text for words in _EXPECTED)
                and self.complaints.append(said.text)
            ),
        )
        self.page.goto(address)
        self.ready()

    def ready(self) -> None:
        """Wait until the page is at work."""
        self.page.wait_for_selector("body[data-ready]", timeout=20_000)

    @property
    def clips(self) -> Locator:
        return self.page.locator(".clip")

    @property
    def active(self) -> Locator:
        return self.page.locator(".clip.active")

    def clip(self, number: int) -> Locator:
        """A clip by its place on the page, from 0."""
        return self.clips.nth(number)

    def text(self, number: int) -> Locator:
        return self.clip(number).locator("textarea")

    def texts(self) -> list[str]:
        """All texts on the page."""
        return self.page.locator(".clip textarea").evaluate_all("fields => fields.map(field => field.value)")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def point(self, share: float) -> None:
        """Click into the waveform."""
        canvas = self.page.locator("#wave canvas")
        box = canvas.bounding_box()
        assert box
        canvas.click(position={"x": box["width"] * share, "y": box["height"] / 2})

    def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true; the page's policy forbids Playwright's own way of it."""
        deadline = time.monotonic() + 15
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, condition
            self.page.wait_for_timeout(50)

    def saved(self) -> None:
        """Wait until the page says that everything is saved."""
        expect(self.page.locator("#saving")).to_have_text("All changes saved")

    def count(self, pattern: str) -> None:
        """Wait until the line of counts holds some words."""
        expect(self.page.locator("#counts")).to_contain_text(pattern)


@contextmanager
def reviewing(
    browser: Browser, server: Server, *, query: str = "?order=recorded", language: str = "en-GB", width: int = 1100
) -> Iterator[Reviewer]:
    """A reviewer in a browser of their own; their page's scripts must not have failed."""
    context = browser.new_context(locale=language, viewport={"width": width, "height": 800})
    reviewer = Reviewer(context, f"{server.origin}{server.path}{query}#token={server.token}")
    try:
        yield reviewer
    finally:
        context.close()
    assert reviewer.complaints == []
