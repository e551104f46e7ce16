"""The page of old names."""

from __future__ import annotations

from collections.abc import Iterator

from scripts.reference_pages.markdown import table
from voicemill.contract import renames


def renames_page() -> Iterator[str]:
    """Old names and what they are now."""
    yield "# Old names"
    yield (
        "What was called otherwise in an earlier release. An old name is accepted, with a warning that tells the new "
        "one, until the release that is named here."
    )
    rows = []
    for each in renames.TABLE:
        rows += [["stage", "", old, new, each.removed_in] for old, new in each.stages.items()]
        rows += [
            [kind, f"[{owner}]({page}.md#{owner})", f"{dashes}{old}", f"{dashes}{new}", each.removed_in]
            for kind, page, dashes, table in (
                ("option", "stages", "--", each.options),
                ("parameter", "workflows", "", each.parameters),
            )
            for owner, names in table.items()
            for old, new in names.items()
        ]
    yield table(
        ["what", "of", "old name", "new name", "until"],
        ([kind, owner, f"`{old}`", f"`{new}`", until] for kind, owner, old, new, until in rows),
    )
