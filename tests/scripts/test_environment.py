"""make setup installs by uv or pip, with what only a GPU uses where there is one."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from images import layer
from scripts import environment

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("said", "wanted"), [("1", True), ("0", False)])
def test_torch_cuda_says_whether_a_gpus_packages_are_installed(tmp_path: Path, said: str, wanted: bool) -> None:
    there, not_there = tmp_path, tmp_path / "nvidia0"
    for device in (there, not_there):
        assert environment.wants_cuda({"TORCH_CUDA": said}, device) is wanted


def test_by_default_the_machine_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    assert environment.wants_cuda({}, tmp_path) is True
    assert environment.wants_cuda({"TORCH_CUDA": ""}, tmp_path / "nvidia0") is False
    monkeypatch.setattr(environment.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert environment.wants_cuda({}, tmp_path / "nvidia0") is True


def test_another_value_is_refused() -> None:
    with pytest.raises(ValueError, match="TORCH_CUDA=yes: set it to 1, 0 or auto"):
        environment.wants_cuda({"TORCH_CUDA": "yes"})


def test_both_installers_install_the_same_and_audio_separator_without_its_dependencies() -> None:
    alone = layer.alone(tomllib.loads((ROOT / "pyproject.toml").read_text()), "dev")
    assert alone and all(line.startswith("audio-separator") for line in alone)
    for uv in ("/usr/bin/uv", None):
        whole, separately = environment.commands(uv, "/v/bin/python", alone=alone, excludes=None)
        assert whole[-2:] == ["--editable", f"{ROOT}[dev]"]
        assert separately[-1 - len(alone) :] == ["--no-deps", *alone]
        assert all("/v/bin/python" in command for command in (whole, separately))
        assert all(str(ROOT / "constraints.txt") in command for command in (whole, separately))


def test_all_packages_are_compiled_where_python_would_not_keep_what_it_compiles() -> None:
    by_uv = environment.commands("uv", "python", alone=["x"], excludes=None, compiled=True)
    assert all("--compile-bytecode" in command for command in by_uv), "uv compiles what that command installs"
    assert not any("--compile-bytecode" in each for each in environment.commands("uv", "p", alone=["x"], excludes=None))
    by_pip = environment.commands(None, "python", alone=["x"], excludes=None, compiled=True)
    assert not any("--no-compile" in command for command in by_pip)


def test_what_only_a_gpu_uses_is_left_out_by_both() -> None:
    by_uv = environment.commands("uv", "python", alone=["x"], excludes="list.txt")
    assert by_uv[0][by_uv[0].index("--excludes") + 1] == "list.txt"
    assert environment.commands(None, "python", alone=["x"], excludes="list.txt")[-1][-5:] == [*environment.GPU_ONLY]


def test_without_uv_and_without_an_index_pip_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    monkeypatch.setattr(environment, "TOOLS", tmp_path / "uv")
    monkeypatch.setattr(environment.venv, "create", lambda folder, with_pip: folder.mkdir())

    def fails(command: list[str], **_: object) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(environment.subprocess, "run", fails)
    assert environment.find_uv() is None
    assert "uv cannot be installed" in capsys.readouterr().err
    assert not (tmp_path / "uv").exists()


def test_where_uv_reaches_no_index_pip_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def run(command: list[str], **_: object) -> None:
        ran.append(command[0])
        if command[0] == "uv":
            raise subprocess.CalledProcessError(2, command)

    monkeypatch.setattr(environment, "find_uv", lambda: "uv")
    monkeypatch.setattr(environment.venv, "create", lambda folder, **_: None)
    monkeypatch.setattr(environment.subprocess, "run", run)
    monkeypatch.setenv("TORCH_CUDA", "1")
    environment.main(str(tmp_path / "venv"))
    python = str(tmp_path / "venv" / "bin" / "python")
    assert ran == ["uv", python, python]
    assert "installed by pip" in capsys.readouterr().out


def test_what_is_left_out_is_what_torch_asks_for_and_is_pinned() -> None:
    pins = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert set(environment.GPU_ONLY) <= pins


def test_every_line_of_the_constraints_pins_a_package_once_for_each_marker() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines[0].startswith("# ") and not [line for line in lines if "://" in line]
    assert all(re.fullmatch(r"[a-z0-9-]+==[^ ;]+( ; .+)?", line) for line in lines[1:])
    assert len(lines) == len(set(lines))
