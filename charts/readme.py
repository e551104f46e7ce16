"""Write what the chart has of others: values.yaml's table into README.md, voicemill's version, names that were changed.

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
    """Return path and description of each value under a comment that starts with `# --`, in the order of the file."""
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
    """Return the values as a Markdown table of names, defaults and descriptions."""
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


def versioned() -> str:
    """Chart.yaml with the version of voicemill, for the chart and for the images that it names."""
    # By its text: in this folder the chart's name is the package's, and an import would find the chart.
    source = (CHART.parents[1] / "voicemill" / "__init__.py").read_text()
    version = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)[0]
    text = (CHART / "Chart.yaml").read_text()
    return re.sub(r"^(version|appVersion): .*$", rf"\1: {version}", text, flags=re.MULTILINE)


def renamed() -> str:
    """The names of stages and workflow parameters that were changed, for the sentences of what refuses old ones."""
    # In this folder the chart's name is the package's.
    sys.path = [place for place in sys.path if Path(place).resolve() != CHART.parent]
    from voicemill.contract.renames import TABLE

    stages = {old: new for each in TABLE for old, new in each.stages.items()}
    parameters = {old: new for each in TABLE for workflow in each.parameters.values() for old, new in workflow.items()}
    return json.dumps({"stages": stages, "parameters": parameters}, indent=2) + "\n"


def main() -> None:
    made = {"README.md": written(), "Chart.yaml": versioned(), "files/renamed.json": renamed()}
    for path, text in ((CHART / name, text) for name, text in made.items()):
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif path.read_text() != text:
            sys.exit(f"{path} is not what {__file__} makes; run it")


if __name__ == "__main__":
    main()
