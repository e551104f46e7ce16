"""Pages lead somewhere: links between files of the repository, and the pages that code names.

The strict build looks at the site's own links and anchors.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import diagrams, site_files

ROOT = Path(__file__).parents[2]


def _tracked(*patterns: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a checkout of git")
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="needs the extra docs")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "repository" / "CONTRIBUTING.html").is_file()
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]*\ssrc=[\"']?(?:https?:)?//[^>]*>", text)
        loaded += re.findall(r"<link(?=[^>]*rel=[\"']?(?:stylesheet|icon|pre))[^>]*https?://[^>]*>", text)
        assert loaded == [] and 'class="mermaid"' not in text, f"{page.name} loads something from another host"


def test_diagrams_are_drawn_from_their_texts() -> None:
    texts = sorted(diagrams.FOLDER.glob("*.mmd"))
    assert texts
    for text in texts:
        drawn = text.with_suffix(".svg").read_text(encoding="utf-8")
        assert diagrams.mark(text.read_text(encoding="utf-8")) in drawn, f"draw {text.name} again: scripts/diagrams.py"


def test_relative_links_of_every_page_lead_to_a_file() -> None:
    broken = []
    for name in _tracked("*.md"):
        text = re.sub(r"(?ms)^(```+|~~~+).*?^\1", "", (ROOT / name).read_text(encoding="utf-8"))
        for link in re.findall(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)", text):
            if not re.match(r"[a-z][a-z+.-]*:|/", link) and not (ROOT / name).parent.joinpath(link).exists():
                broken.append(f"{name}: {link}")
    assert not broken


def test_pages_that_are_named_in_code_exist() -> None:
    missing = []
    for name in _tracked("*.py", "Makefile", "*.yaml", "*.toml"):
        for page in re.findall(r"(?<![\w/.'-])docs/[\w./-]+\.md\b", (ROOT / name).read_text(encoding="utf-8")):
            if not (ROOT / page).is_file() and not page.startswith(("docs/enhanced-", "docs/variables")):
                missing.append(f"{name}: {page}")
    assert not missing


def test_links_out_of_docs_are_found() -> None:
    text = "[policy](../../workflows/policy.py), [there](#there), [web](https://example.com), [next](install.md)"
    assert list(site_files.outside(text, "docs/how-to/cluster.md")) == ["workflows/policy.py"]


def _code(page: str) -> set[str]:
    """What stands in a page as code: names, paths and commands, without remarks and words in another language."""
    text = (ROOT / "docs" / "tutorials" / page).read_text(encoding="utf-8")
    listed = [line.split("#")[0].strip() for line in re.findall(r"(?m)^    (\S.*)$", text) if "#" not in line[:1]]
    found = {re.sub(r"\s+", " ", code) for code in [*re.findall(r"`([^`]+)`", text), *listed]}
    return {code for code in found if code.isascii() and re.match(r"[a-z-]+ |[\w-]+$", code)}


@pytest.mark.parametrize("page", ["first-voice", "desktop"])
def test_the_chinese_page_names_what_the_english_one_does(page: str) -> None:
    assert _code(f"{page}.md") - _code(f"{page}.zh.md") == set()
