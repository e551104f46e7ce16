"""The last words of a run on the terminal: where its outputs are, or what went wrong in one sentence."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from voicemill.engine.nodes import Phase
from voicemill.engine.run import Result
from voicemill.engine.stopping import EXIT_INTERRUPTED


def conclude(result: Result, out: Path, console: Console) -> None:
    """Print how a run ended."""

    def say(text: str, style: str | None = None) -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    for name in sorted(result.exports):
        say(f"{name}: {out / name}")
    if result.waiting:
        say(f"Waiting for approval: {', '.join(result.waiting)}.", "yellow")
        say("Run the same command again with " + " ".join(f"--approve {name}" for name in result.waiting) + ".")
    elif result.phase is Phase.PENDING:
        how = "Interrupted" if result.exit_code == EXIT_INTERRUPTED else "Stopped"
        say(f"{how}. Run the same command again to resume.", "yellow")
    elif result.failed is not None:
        node = result.failed
        say(f"{node.name or 'The workflow'} failed: {node.message}", "red")
        if node.is_pod:
            say(f"Its log: {out / node.folder / 'log.txt'}")
    else:
        cached = sum(node.cached for node in result.nodes)
        ran = sum(node.is_pod and node.phase is Phase.SUCCEEDED and not node.cached for node in result.nodes)
        say(f"{result.phase}: {ran} tasks ran, {cached} were cached.", "green")
