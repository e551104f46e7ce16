"""Check this implementation against a folder of golden numbers: `python -m tests.parity DIR [--only 'A_s2/v2_*']`."""

import argparse
import sys
from pathlib import Path

from tests.parity import runner


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with manifest.json")
    parser.add_argument("--only", default="*", help="pattern on GROUP/CASE, for example 'A_s2/v2_*'")
    arguments = parser.parse_args()
    outcomes = runner.run(arguments.folder, arguments.only)
    counts = {status: sum(o.status == status for o in outcomes) for status in ("passed", "failed", "differs")}
    if counts["differs"]:
        print(f"{counts['differs']} differ on purpose (docs/decisions.md)")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 1 if counts["failed"] or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
