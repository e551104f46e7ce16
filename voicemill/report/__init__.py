"""The HTML report of a run."""

from voicemill.report.collect import Run
from voicemill.report.page import build

__all__ = ["Run", "build"]
