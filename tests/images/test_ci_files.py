"""The ready CI jobs are valid, pinned, and call `voicemill` with options and parameters that it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from voicemill.cli.main import app
from voicemill.cli.run import pairs
from voicemill.engine import workflow as workflows

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "examples" / "ci").glob("*/*.yml"))
NAMES = [str(file.relative_to(ROOT / "examples" / "ci")) for file in FILES]
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")


def loaded(name: str) -> Any:
    # YAML 1.1 reads GitHub's `on` as true; BaseLoader leaves all as text.
    return yaml.load((ROOT / "examples" / "ci" / name).read_text(), yaml.BaseLoader)


def steps(name: str) -> list[dict[str, Any]]:
    """The steps of GitHub's jobs, or GitLab's lines in that form."""
    document = loaded(name)
    if "jobs" in document:
        return [step for job in document["jobs"].values() for step in job["steps"]]
    job = document["build-voice"]
    return [{"run": line} for line in [*job["script"], *job.get("after_script", [])]]


def voicemills(name: str) -> Iterator[list[str]]:
    """Arguments of each call of `voicemill`, as a shell would pass them with SPEAKER=anna."""
    for step in steps(name):
        text = step.get("run", "").replace("\\\n", " ").replace("$SPEAKER", "anna")
        for command in re.split(r"\n|;|&&", text):
            words = shlex.split(command)
            if "voicemill" in words:
                yield words[words.index("voicemill") + 1 :]


def contexts(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each call's command and its options, as the command line itself reads them."""
    group = typer.main.get_command(app)
    with group.make_context("voicemill", ["run"]) as context:
        for arguments in voicemills(name):
            command, found, rest = group.resolve_command(context, arguments)  # pyright: ignore
            yield command, found.make_context(command, rest, parent=context).params


@pytest.mark.parametrize("name", NAMES)
def test_the_jobs_call_voicemill_with_what_it_takes(name: str) -> None:
    calls = list(contexts(name))
    assert next(command for command, _ in calls) == ("run" if "runner" in name else "submit")
    for command, options in calls:
        if command in ("run", "submit"):
            build = workflows.load(options["workflow"])
            given = pairs(options["parameter"])
            declared = {item["name"]: item for item in build.spec["arguments"]["parameters"]}
            assert build.name == "build-voice" and given.keys() <= declared.keys()
            # Raises where a required one is missing or a value is not among the choices.
            assert workflows.arguments(build, given)["speaker"] == "anna"
            assert given["source"] == "s3:///recordings/anna"
        if command == "submit":
            assert options["wait"], "the job has to end as the build does"


@pytest.mark.parametrize("name", NAMES)
def test_the_comparison_is_kept_where_the_build_puts_it(name: str) -> None:
    text = (ROOT / "examples" / "ci" / name).read_text()
    assert "compare/comparison" in text
    if name.startswith("gitlab"):
        kept = loaded(name)["build-voice"]["artifacts"]
        assert kept["when"] == "always" and kept["reports"]["junit"].startswith(kept["paths"][0])
    else:
        uploads = [step for step in steps(name) if "upload-artifact" in step.get("uses", "")]
        assert [step["if"] for step in uploads] == ["${{ !cancelled() }}"]


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("github")])
def test_actions_are_pinned_and_know_no_more_than_they_need(name: str) -> None:
    document = loaded(name)
    used = [step["uses"] for step in steps(name) if "uses" in step]
    assert len(used) >= 2 and all(PINNED.fullmatch(action) for action in used)
    assert document["permissions"] == {"contents": "read"}
    assert set(document["on"]) == {"schedule", "workflow_dispatch"}, "no job with secrets starts from a pull request"
    # Expressions are spliced into a script as text: what somebody types in would be run.
    assert not [step["run"] for step in steps(name) if "${{" in step.get("run", "")]


def test_the_page_names_every_file() -> None:
    page = (ROOT / "docs" / "how-to" / "builds.md").read_text()
    assert len(NAMES) == 4 and all(f"(../../examples/ci/{name})" in page for name in NAMES)
