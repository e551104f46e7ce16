"""The page of exit codes and of what is tried again."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from scripts.reference_pages.markdown import first, prose, table
from voicemill.contract import retries
from voicemill.core import errors

BUG = "An unexpected error, told with its traceback: a bug. Please report it."


def exit_codes_page() -> Iterator[str]:
    """Return the exit codes of stages and commands."""
    yield "# Exit codes"
    yield (
        "Stages, `voicemill` and the engine end with the same codes, which follow `sysexits.h` where it has a meaning. "
        "With a code comes one sentence on the standard error that says what to fix; a traceback is shown with 1 only."
    )
    by_code: dict[int, list[type[errors.VoicemillError]]] = {}
    for kind in vars(errors).values():
        if inspect.isclass(kind) and issubclass(kind, errors.VoicemillError):
            by_code.setdefault(kind.exit_code, []).append(kind)
    rows = [["0", "", "Done."]]
    for code, kinds in sorted(by_code.items()):
        told = " ".join(prose(first(inspect.getdoc(kind) or "")) for kind in kinds)
        names = ", ".join(f"`{kind.__name__}`" for kind in kinds)
        rows.append([str(code), names, told] if code != 1 else [str(code), "", BUG])
    rows.append(["130", "", "Stopped by Ctrl-C. Run the same command again to go on."])
    yield table(["code", "raised as", "meaning"], iter(rows))
    yield "## What is tried again {#retries}"
    policy = re.sub(r"\s+", " ", inspect.getdoc(retries) or "")
    found = re.search(r"^\|.*^\|[^\n]*$", inspect.getdoc(retries) or "", re.S | re.M)
    assert found and policy
    yield (
        f"Of a task in a workflow, on a cluster and on one machine alike, up to {retries.LIMIT} times, the first pause "
        f"{retries.BACKOFF_SECONDS} s and the longest {retries.BACKOFF_MAX_SECONDS} s; 77 and 137 are final after "
        f"{retries.MEMORY_TRIES} tries."
    )
    yield found[0]
    yield (
        "What a run on a cluster ends with, and what to do: "
        "[when something fails](../how-to/cluster.md#when-something-fails)."
    )
