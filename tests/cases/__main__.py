"""Run every case of index.csv and print what was expected, what was got, and whether they agree."""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.cases import Case, index, registered, use


def main() -> int:
    """Print the table; return 1 if any case failed or no function runs it."""
    parser = argparse.ArgumentParser(prog="python -m tests.cases", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="folder with index.csv and its inputs")
    parser.add_argument("--only", default="", help="run the cases whose name contains this")
    arguments = parser.parse_args()
    if arguments.folder:
        use(arguments.folder)
    rows, functions = index(), registered()
    table = Table("file", "expected", "got", "ok", show_lines=True)
    passed = failed = 0
    for row in rows:
        if arguments.only not in row["file"]:
            continue
        got, ok = _run(functions.get(row["file"]))
        passed, failed = passed + ok, failed + (not ok)
        table.add_row(row["file"], row["expected"], got, "yes" if ok else "NO")
    Console(width=None if sys.stdout.isatty() else 160, markup=False).print(table)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def _run(function: Case | None) -> tuple[str, bool]:
    if function is None:
        return "no function runs this case", False
    with tempfile.TemporaryDirectory(prefix="case-") as folder:
        try:
            return function(Path(folder))
        except Exception as error:  # noqa: BLE001
            # One broken case is a failed row; the others are still run.
            return f"{type(error).__name__}: {error}", False


if __name__ == "__main__":
    sys.exit(main())
