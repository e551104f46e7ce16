"""What `voicemill` says without a command."""

from typer.testing import CliRunner

import voicemill
from voicemill.cli.main import app


def test_it_tells_its_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"voicemill {voicemill.__version__}\n")


def test_without_a_command_it_lists_them_all() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("run", "stage", "models", "voices", "submit", "--version"):
        assert command in result.output
