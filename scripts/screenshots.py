"""Pictures of a run's report and of its proofreading page, for README and the site.

    make demo && python scripts/screenshots.py runs/demo

needs chromium (`apt-get install chromium`, or its path as $CHROMIUM) and writes docs/images/report.png and
docs/images/proofreading.png.
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
LARGEST = 200_000
"""Bytes; pictures are loaded with README."""


def main(run: Path, folder: Path) -> None:
    """Take both pictures.

    Args:
        run: Folder of a run of clone-voice that has ended.
        folder: Where the pictures go.
    """
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        sys.exit("needs chromium: apt-get install chromium, or its path as $CHROMIUM")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto((run / "report.html").absolute().as_uri())
        save(page, folder / "report.png")
        with proofreading(run) as address:
            page.goto(address)
            page.wait_for_load_state("networkidle")
            save(page, folder / "proofreading.png")
        browser.close()


@contextmanager
def proofreading(run: Path) -> Iterator[str]:
    """The address of a run's proofreading page, which is served as long as the block lasts."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "voicemill", "proofread", str(run), "--no-browser", "--port", "0"]
        command += ["--reviewer", "anna"]
        environment = {**os.environ, "XDG_STATE_HOME": home}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout
                line = server.stdout.readline()
                found = re.search(r"http://\S+", line)
                if not found:
                    sys.exit(f"voicemill proofread does not serve {run}")
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
    given = parser.parse_args()
    main(given.run, given.out)
