"""Every golden case of the shared folder where it lies beside the repository, else of the committed part."""

import pytest

from tests.parity.subset import GOLDEN, LATER
from tests.shared import SHARED
from voicemill.parity.fixtures import Case, Fixtures
from voicemill.parity.runner import run_case

FOLDER = SHARED / "parity" if SHARED and (SHARED / "parity").is_dir() else GOLDEN
# All of v3's and v4's take minutes: `python -m tests.parity ../shared/parity/v34`.
CASES = [*Fixtures(FOLDER).cases(), *Fixtures(GOLDEN / LATER).cases()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_equals_the_reference(case: Case) -> None:
    outcome = run_case(case)
    assert outcome.status in ("passed", "differs"), outcome.reason
    assert outcome.status == "passed" or "decision" in outcome.reason, f"not a numbered decision: {outcome.reason}"


def test_a_small_part_is_committed_and_stays_small() -> None:
    size = sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file())
    assert size < 6_000_000
    assert {case.group for case in Fixtures(GOLDEN / LATER).cases()} == {"G_v34", "G_v34_ckpt", "G_v34_train"}
    assert {case.group for case in Fixtures(GOLDEN).cases()} >= {"A_s2", "B_s1", "D_text", "E_audio", "F_glue"}


def test_a_wrong_number_fails() -> None:
    case = next(case for case in Fixtures(GOLDEN).cases() if case.id == "draw")
    with pytest.raises(AssertionError):
        case.check("index", case.expected("index") + 1)
