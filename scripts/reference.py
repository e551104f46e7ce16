"""The pages of docs/reference that follow from declarations: stages, workflows, commands, exit codes, file formats.

    python scripts/reference.py            write them (a part of `make golden`)
    python scripts/reference.py --check    end with 1 where a page is not what the declarations say (`make check`)

What a page says of an option is the text of `--help`: change it in the stage's docstring, not here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.reference_pages.commands import commands_page  # noqa: E402
from scripts.reference_pages.exit_codes import exit_codes_page  # noqa: E402
from scripts.reference_pages.files import with_block  # noqa: E402
from scripts.reference_pages.markdown import document  # noqa: E402
from scripts.reference_pages.renames import renames_page  # noqa: E402
from scripts.reference_pages.stages import files_table, stages, stages_page  # noqa: E402
from scripts.reference_pages.workflows import workflows_page  # noqa: E402

FOLDER = ROOT / "docs" / "reference"


def pages() -> dict[str, str]:
    """Return every generated page: name in docs/reference -> Markdown."""
    declared = sorted(stages(), key=lambda stage: stage.name)
    return {
        "stages.md": document(stages_page(declared)),
        "workflows.md": document(workflows_page()),
        "commands.md": document(commands_page()),
        "exit-codes.md": document(exit_codes_page()),
        "renames.md": document(renames_page()),
        "openapi.json": openapi(),
        "files.md": with_block((FOLDER / "files.md").read_text(encoding="utf-8"), files_table(declared)),
    }


def openapi() -> str:
    """Return the description of the server's HTTP API."""
    from voicemill.serving.app import openapi as described

    return json.dumps(described(), indent=2, ensure_ascii=False) + "\n"


def main(*arguments: str) -> int:
    """Write the pages, or compare them."""
    outdated = []
    for name, text in pages().items():
        path = FOLDER / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if arguments == ("--check",):
            outdated.append(path.relative_to(ROOT))
        else:
            path.write_text(text, encoding="utf-8")
    if outdated:
        print(f"{', '.join(map(str, outdated))}: not what the declarations say; run `make golden`", file=sys.stderr)
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
