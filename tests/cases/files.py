"""Files, folders, names and labels that are not as they should be."""

from tests.cases import Case

CASES: dict[str, Case] = {}
