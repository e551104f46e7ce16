"""The page of file formats: written by hand, with a table and listings that follow from declarations."""

from __future__ import annotations

import importlib
import inspect
import re

from scripts.reference_pages.markdown import documentation

BLOCK = "<!-- stages -->", "<!-- /stages -->"


def with_block(page: str, block: str) -> str:
    head, _, rest = page.partition(BLOCK[0])
    _, _, tail = rest.partition(BLOCK[1])
    return _with_docstrings(f"{head}{BLOCK[0]}\n\n{block}\n\n{BLOCK[1]}{tail}")


def _with_docstrings(page: str) -> str:
    """Fill `<!-- docstring MODULE -->` with the listing in that module's docstring, such as what is in a folder."""

    def filled(match: re.Match[str]) -> str:
        text = inspect.getdoc(importlib.import_module(match[1])) or ""
        listings = [block for block in documentation(text) if block.startswith("```")]
        assert listings, f"{match[1]} has no listing in its docstring"
        return f"<!-- docstring {match[1]} -->\n\n" + "\n\n".join(listings) + "\n\n<!-- /docstring -->"

    return re.sub(r"(?s)<!-- docstring (\S+) -->.*?<!-- /docstring -->", filled, page)
