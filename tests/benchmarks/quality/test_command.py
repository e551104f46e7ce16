"""What cannot be measured together is refused before anything is loaded or trained."""

from __future__ import annotations

import pytest

from benchmarks.quality.__main__ import options
from voicemill.core.errors import UsageError


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("--voice v --out o", "--speaker"),
        ("--minutes 1,2 --speaker s --voice v --out o", "leave --voice out"),
        ("--speech f --speaker s --voice v --out o", "leave --voice out"),
        ("--speaker s --language ja --out o", "English"),
        ("--speaker s --whisper --also whisper --out o", "another recogniser"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        options(arguments.split())
