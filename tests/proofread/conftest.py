"""A browser for the tests of the page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


# For a module at a time: while Playwright lasts, an event loop is running, and other modules start their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium, or the one that $CHROMIUM names."""
    if not CHROMIUM:
        pytest.skip("needs a chromium (apt-get install chromium, or its path as $CHROMIUM)")
    with sync_playwright() as playwright:
        # Neither its sandbox nor a large /dev/shm is there in every container; the pages are our own.
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()
