"""A browser, as for the proofreading page."""

from tests.proofread.conftest import browser

__all__ = ["browser"]
