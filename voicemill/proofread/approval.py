"""The approved dataset as a file, and letting the run that waits for it go on.

`review/approved.json` in the run's folder says everything: which clips, cut where, with which words. The suspended node
`proofread` of that run, and no other, is told where it is; the stage `apply-review` makes clips and transcripts of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from voicemill.core.files import write_text
from voicemill.dataset.review_file import APPROVED, FORMAT, Approved
from voicemill.engine.cache import MARKER
from voicemill.engine.suspension import APPROVAL
from voicemill.proofread.runs import Run

NODE = "proofread"

State = Literal["resumed", "done-before", "not-waiting"]
Resume = Callable[[Run, dict[str, str]], State]


def approve(run: Run, id: str, reviewer: str, number: int, resume: Resume) -> tuple[Approved, str, State]:
    """Approve a review as it is, and let its run go on. Sent again, it does the same again.

    Args:
        run: The run.
        id: Of the request.
        reviewer: Who approves.
        number: The last change that the reviewer has seen.
        resume: Lets the run go on, given the values of the node's output parameters.

    Returns:
        What was approved, where it was written, and what became of the waiting node.

    Raises:
        Conflict: Something was changed that the reviewer has not seen.
    """
    entry, rows = run.review.approve(id, reviewer, number)
    approved = Approved(
        speaker=run.speaker,
        transcripts=run.digest,
        reviewer=entry.reviewer,
        reviewers=tuple(run.review.reviewers()),
        time=entry.time,
        number=entry.number,
        counts=dict(entry.details),
        rows=tuple(rows),
        dropped=tuple(sorted({*run.review.base, *run.review.rows} - {row.clip for row in rows})),
    )
    place = run.write(APPROVED, json.dumps({"format": FORMAT, **asdict(approved)}, ensure_ascii=False, indent=1) + "\n")
    numbers = {name: str(approved.counts[name]) for name in ("kept", "edited", "dropped")}
    return approved, place, resume(run, {"reviewer": approved.reviewer, "review": place, **numbers})


def resume_here(run: Run, parameters: dict[str, str]) -> State:
    """Let a run of the embedded engine go on: it looks for this file while it waits, and when it is run again."""
    folder = Path(run.place.location) / NODE
    if (folder / MARKER).exists():
        # Its answer stands, and names the same file: run again, the stages after it see what the file says by then.
        return "done-before"
    if not (folder / ".key").exists():
        return "not-waiting"
    write_text(folder / APPROVAL, json.dumps({"parameters": parameters}, ensure_ascii=False, indent=1) + "\n")
    return "resumed"


def resume_on_cluster(run: Run, parameters: dict[str, str]) -> State:
    """Let a run on Argo go on: exactly the node `proofread` of exactly the workflow that the run's folder is named for.

    Raises:
        VoicemillError: The cluster cannot be asked, or refuses; approving again asks again.
    """
    from voicemill.cluster import nodes
    from voicemill.cluster.api import NotConfigured, NotThere
    from voicemill.cluster.connection import connect

    try:
        api = connect()
        workflow = api.workflow(run.place.name)
    except (NotConfigured, NotThere):
        return "not-waiting"
    task = next((task for task in nodes.tasks(workflow) if task.name == NODE and task.waits), None)
    if task is None:
        return "not-waiting"
    api.resume(run.place.name, task.node["id"], parameters)
    return "resumed"
