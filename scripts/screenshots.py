"""Pictures of a run's report, of its proofreading page and of the page that speaks, for README and the site.

    make demo && python scripts/screenshots.py runs/demo --models runs/small-models [--verify]

needs chromium (`apt-get install chromium`, or its path as $CHROMIUM) and writes docs/images/report.png,
docs/images/proofreading.png and docs/images/say.png. With --verify, for which the models folder needs a real Whisper,
the last shows what it heard; what was said is written to --said.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 860}
SENTENCE = "We met at the museum on Sunday."
LARGEST = 200_000
"""Bytes; pictures are loaded with README."""


def main(run: Path, models: Path, folder: Path, *, verify: bool, said: Path | None, only: str) -> None:
    """Take the pictures.

    Args:
        run: Folder of a run of clone-voice that has ended.
        models: Models folder, for the page that speaks.
        folder: Where the pictures go.
        verify: Let that page show what Whisper hears.
        said: Where the WAV file goes that it offers for download.
        only: Name of the one picture to take; empty takes all.
    """
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        sys.exit("needs chromium: apt-get install chromium, or its path as $CHROMIUM")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        if only in ("", "report"):
            page.goto((run / "report.html").absolute().as_uri())
            save(page, folder / "report.png")
        if only in ("", "proofreading"):
            options = ["proofread", str(run), "--no-browser", "--port", "0", "--reviewer", "anna"]
            with served(*options) as address:
                page.goto(address)
                page.wait_for_load_state("networkidle")
                save(page, folder / "proofreading.png")
        if only in ("", "say"):
            options = ["serve", str(run / "voice"), "--models", str(models), "--port", "0"]
            with served(*options, *(["--verify"] if verify else [])) as address:
                page.goto(address)
                speak(page, said, heard=verify)
                save(page, folder / "say.png")
        browser.close()


def speak(page: Page, said: Path | None, *, heard: bool) -> None:
    """Type a sentence, let it be said and its phones be shown; wait until Whisper has heard it."""
    page.wait_for_selector("body[data-ready]")
    page.locator("#text").fill(SENTENCE)
    page.keyboard.press("Alt+KeyP")
    page.locator("#say").click()
    page.wait_for_selector("#heard:visible" if heard else "#download:visible", timeout=300_000)
    if heard:
        print("heard:", page.locator("#heard q").inner_text())
    if said:
        with page.expect_download() as download:
            page.locator("#download").click()
        download.value.save_as(said)


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """The address of a page that a command serves as long as the block lasts."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "voicemill", *arguments]
        environment = {**os.environ, "XDG_STATE_HOME": home}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout
                line = server.stdout.readline()
                found = re.search(r"http://\S+", line)
                if not found:
                    sys.exit(f"voicemill {' '.join(arguments)} does not serve")
                wait_for(found[0])
                yield found[0]
            finally:
                server.send_signal(signal.SIGINT)


def wait_for(address: str, seconds: float = 60) -> None:
    """Return when a server answers; it prints its address a moment before."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(urllib.parse.urljoin(address, "/healthz"), timeout=2):
                return
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def save(page: Page, path: Path) -> None:
    """Take what is seen, in at most 256 colours, which is a third of the bytes."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path}: {size / 1000:.0f} kB")
    if size > LARGEST:
        sys.exit(f"{path} is larger than {LARGEST / 1000:.0f} kB: show less")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a run of clone-voice")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the pictures")
    parser.add_argument("--models", type=Path, default=Path("models"), help="models folder")
    parser.add_argument("--verify", action="store_true", help="show what the models folder's Whisper hears")
    parser.add_argument("--said", type=Path, help="where what was said is written, a WAV file")
    parser.add_argument("--only", choices=("report", "proofreading", "say"), default="", help="take this one alone")
    given = parser.parse_args()
    main(given.run, given.models, given.out, verify=given.verify, said=given.said, only=given.only)
