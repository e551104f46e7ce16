"""Hook of mkdocs.yml: pages link to files of the repository as they do on GitHub, and the site holds those files.

A link from a page of docs/ to a file outside of docs/ leads, on the site, to a page `repository/<path>`: Markdown as it
is, other text as a listing. What such pages link to is taken along too. A link to a missing file fails a strict build.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "repository"
LANGUAGES = {".py": "python", ".yml": "yaml", ".yaml": "yaml", ".sh": "bash", ".json": "json", ".toml": "toml"}
_LINK = re.compile(r"(?P<head>!?\[[^\]]*\]\()(?P<path>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
_log = logging.getLogger("mkdocs.hooks.site_files")


def on_files(files: Files, config: Any) -> Files:
    """Add what the pages link to outside of docs/."""
    pages = [file for file in files if file.src_uri.endswith(".md")]
    waiting = [target for file in pages for target in outside(file.content_string, f"docs/{file.src_uri}")]
    taken: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in taken:
            continue
        taken.add(path)
        source = ROOT / path
        if not source.is_file():
            _log.warning("%s is linked to, and the repository has no such file", path)
            continue
        text = source.read_text(encoding="utf-8")
        if source.suffix == ".md":
            waiting += outside(text, path)
        else:
            text = f"# {path}\n\n``````{LANGUAGES.get(source.suffix, 'text')}\n{text.rstrip()}\n``````\n"
        files.append(File.generated(config, _page(path), content=text, inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links out of docs/ to the pages that were added, and links of those pages back."""
    uri = page.file.src_uri
    listing = uri.startswith(f"{FOLDER}/")
    source = _path_in_repository(uri)

    def moved(link: re.Match[str]) -> str:
        target = _target(link["path"], source)
        if target is None or (target.startswith("docs/") and not listing):
            return link[0]
        there = target.removeprefix("docs/") if target.startswith("docs/") else _page(target)
        return f"{link['head']}{posixpath.relpath(there, posixpath.dirname(uri))}{link['anchor'] or ''})"

    return _LINK.sub(moved, markdown)


def outside(markdown: str, source: str) -> Iterator[str]:
    """Return the paths in the repository, outside of docs/, that a page links to.

    Args:
        markdown: The page's text.
        source: Its own path in the repository.
    """
    for link in _LINK.finditer(markdown):
        target = _target(link["path"], source)
        if target is not None and not target.startswith("docs/"):
            yield target


def _target(link: str, source: str) -> str | None:
    if re.match(r"[a-z][a-z+.-]*:|/", link):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _page(path: str) -> str:
    return f"{FOLDER}/{path}" if path.endswith(".md") else f"{FOLDER}/{path}.md"


def _path_in_repository(uri: str) -> str:
    return uri.removeprefix(f"{FOLDER}/") if uri.startswith(f"{FOLDER}/") else f"docs/{uri}"
