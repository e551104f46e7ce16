"""Draw the diagrams of docs/images/*.mmd as SVG files, so that the site loads no script from another host.

    npm pack mermaid && tar xzf mermaid-*.tgz package/dist/mermaid.min.js
    python scripts/diagrams.py package/dist/mermaid.min.js

needs chromium (`apt-get install chromium`, or its path as $CHROMIUM). An SVG file names the text that it was drawn from
by its digest, which tests/scripts/test_site.py compares.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
# Labels as SVG text: browsers show no HTML inside of a picture. The background is there for the dark palette.
SETTINGS = {"startOnLoad": False, "theme": "neutral", "htmlLabels": False, "flowchart": {"htmlLabels": False}}
DRAW = """
async ([settings, text]) => {
    mermaid.initialize(settings);
    const {svg} = await mermaid.render('diagram', text);
    const element = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
    element.style.backgroundColor = 'white';
    return new XMLSerializer().serializeToString(element);
}
"""


def mark(text: str) -> str:
    """Return the comment by which an SVG file says what it was drawn from."""
    return f"<!-- sha256 of the .mmd: {hashlib.sha256(text.encode()).hexdigest()} -->"


def main(mermaid: Path) -> None:
    """Draw every diagram.

    Args:
        mermaid: mermaid.min.js of the npm package.
    """
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        sys.exit("needs chromium: apt-get install chromium, or its path as $CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for source in sorted(FOLDER.glob("*.mmd")):
            text = source.read_text(encoding="utf-8")
            page = browser.new_page()
            page.add_script_tag(path=mermaid)
            drawn = page.evaluate(DRAW, [SETTINGS, text])
            page.close()
            source.with_suffix(".svg").write_text(f"{drawn}\n{mark(text)}\n", encoding="utf-8")
            print(source.with_suffix(".svg"))
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("mermaid", type=Path, help="mermaid.min.js")
    main(parser.parse_args().mermaid)
