"""Every recorded case gives what its row of index.csv expects; `python -m tests.cases` prints the same as a table."""

from pathlib import Path

import pytest

from tests.cases import index, registered


@pytest.mark.parametrize("name", sorted(registered()))
def test_a_recorded_case_gives_what_is_expected(name: str, tmp_path: Path):
    rows = {row["file"]: row for row in index()}
    if not rows:
        pytest.skip("the recorded cases (../shared/cases) are not on this machine")
    got, ok = registered()[name](tmp_path)
    assert ok, f"expected: {rows[name]['expected']}; got: {got}"
