"""Write the values' table into the chart's README.md, from the comments of values.yaml.

python charts/readme.py            # rewrite it
python charts/readme.py --check    # exit code 1 if that would change it
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "voicemill"
BEGIN, END = "<!-- values: made by charts/readme.py -->\n", "<!-- /values -->\n"

_KEY = re.compile(r"(?P<indent> *)(?P<key>[\w-]+):")


def documented(text: str) -> Iterator[tuple[str, str]]:
    """Path and description of each value under a comment that starts with `# --`, in the order of the file."""
    path: list[tuple[int, str]] = []
    comment: list[str] | None = None
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = [stripped.removeprefix("# -- ")]
        elif stripped.startswith("#") and comment is not None:
            comment.append(stripped.lstrip("# "))
        elif key := _KEY.match(line):
            indent = len(key["indent"])
            path = [*(outer for outer in path if outer[0] < indent), (indent, key["key"])]
            if comment is not None:
                yield ".".join(name for _, name in path), " ".join(comment)
            comment = None


def table(text: str) -> str:
    """The values as a Markdown table of names, defaults and descriptions."""
    values = yaml.safe_load(text)
    lines = ["| value | default | what |", "| --- | --- | --- |"]
    for path, description in documented(text):
        shown = json.dumps(_at(values, path), ensure_ascii=False)
        lines.append(f"| `{path}` | `{shown}` | {description} |")
    return "\n".join(lines) + "\n"


def _at(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values[key]
    return values


def written() -> str:
    """README.md with the table of values.yaml as it is."""
    before, _, rest = (CHART / "README.md").read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{table((CHART / 'values.yaml').read_text())}\n{END}{after}"


def main() -> None:
    readme = CHART / "README.md"
    text = written()
    if "--check" in sys.argv[1:]:
        sys.exit(None if readme.read_text() == text else f"{readme} is not what {__file__} makes; run it")
    readme.write_text(text)


if __name__ == "__main__":
    main()
