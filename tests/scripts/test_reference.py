"""Reference pages are made of what the code declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import reference
from scripts.reference_pages import markdown
from voicemill.contract import renames


def test_every_stage_has_a_section_with_all_its_options() -> None:
    declared = list(reference.stages())
    page = "\n\n".join(reference.stages_page(declared))
    for stage in declared:
        section = page.partition(f"{{#{stage.name}}}")[2].partition("\n## ")[0]
        for item in (*stage.declaration.artifacts, *stage.parameters):
            assert f"| `--{item.name}` |" in section, (stage.name, item.name)


def test_every_workflow_has_its_parameters() -> None:
    page = "\n\n".join(reference.workflows_page())
    section = page.partition("{#clone-voice}")[2].partition("\n## ")[0]
    for name in ("source", "models", "speaker", "seed"):
        assert f"| `{name}` |" in section, name
    assert "## pretrain {#pretrain}" in page and "## policy" not in page


def test_commands_are_found_at_every_depth() -> None:
    page = "\n\n".join(reference.commands_page())
    assert (
        "## voicemill run {#voicemill-run}" in page and "## voicemill voices import {#voicemill-voices-import}" in page
    )
    assert "| `--approve` TEXT |" in page


def test_exit_codes_are_those_of_the_errors() -> None:
    page = "\n\n".join(reference.exit_codes_page())
    assert "| 66 | `MissingModelError` |" in page and "| 77 | out of GPU memory |" in page


def test_old_names_lead_to_new_ones() -> None:
    page = "\n\n".join(reference.renames_page())
    for each in renames.TABLE:
        assert all(f"| `{old}` | `{new}` | {each.removed_in} |" in page for old, new in each.stages.items())


def test_prose_holds_no_markup() -> None:
    assert markdown.prose("clips/*.wav, <name> | `a|b`") == "clips/\\*.wav, \\<name> \\| `a\\|b`"


def test_an_outdated_page_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "FOLDER", tmp_path)
    monkeypatch.setattr(reference, "pages", lambda: {"stages.md": "new\n"})
    assert reference.main("--check") == 1 and "make golden" in capsys.readouterr().err
    assert reference.main() == 0 and reference.main("--check") == 0
