"""Every stage has an image, made of what its family's extra names; nothing here needs a builder."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from images import groups, layer, licences
from voicemill import stages
from voicemill.contract import Stage

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
CONTAINERFILE = (ROOT / "images" / "Containerfile").read_text()
BAKE = (ROOT / "images" / "docker-bake.hcl").read_text()
APPLICATIONS = {"proofread": False, "serve": True, "serve-onnx": False}
"""Images that are not stages, and whether they compute on a GPU."""


def declared() -> list[Stage]:
    modules = (
        importlib.import_module(f"voicemill.stages.{module.name}") for module in pkgutil.iter_modules(stages.__path__)
    )
    return [value for module in modules for value in vars(module).values() if isinstance(value, Stage)]


STAGES = {stage.image: stage for stage in declared()}


TARGETS = groups.targets(CONTAINERFILE)


def chain(target: str) -> list[str]:
    """The lines of a target and of all it stands on."""
    return "\n".join(TARGETS[each][1] for each in groups.chain(TARGETS, target)).splitlines()


def installed(target: str) -> set[str]:
    """The layers that a target is made of."""
    return set(re.findall(r"layer\.py install (\S+)", "\n".join(chain(target))))


@cache
def closure(extra: str) -> set[str]:
    """Every package that an extra comes to, by the metadata of what is installed here."""
    needs = licences.dependencies()
    alone = layer.alone(PYPROJECT, extra)
    needs |= {layer.canonical(Requirement(line).name): [] for line in alone}
    return layer.closure([*layer.requirements(PROJECT, extra), *alone], needs)


@pytest.mark.parametrize("image", STAGES)
def test_a_stage_has_a_target_of_its_family_that_runs_it(image: str) -> None:
    stage = STAGES[image]
    assert stage.family in installed(image)
    assert f'"-m", "{stage.declaration.module}"]' in TARGETS[image][1]


@pytest.mark.parametrize("image", [*STAGES, *APPLICATIONS])
def test_an_image_runs_without_root_behind_an_init(image: str) -> None:
    body = TARGETS[image][1]
    assert body.rstrip().splitlines()[-2] == "USER 65532:65532"
    assert body.rstrip().splitlines()[-1].startswith('ENTRYPOINT ["/usr/bin/tini", "--", "python", "-m", ')


@pytest.mark.parametrize("image", [*STAGES, *APPLICATIONS])
def test_only_images_of_gpu_stages_have_a_gpus_libraries(image: str) -> None:
    # Its encoder is in the layers of evaluate, which a cluster has anyway; a GPU would not be worth the wait for one.
    on_cpu_beside_evaluate = image == "identify-speakers"
    on_gpu = APPLICATIONS[image] if image in APPLICATIONS else STAGES[image].gpu_memory is not None
    on_gpu = on_gpu or on_cpu_beside_evaluate
    packages = set().union(*(closure(each) for each in installed(image) - {"cuda12"}))
    family = STAGES[image].family if image in STAGES else image
    assert ("torch" in packages) == (on_gpu and family != "asr")
    assert ("cuda12" in installed(image)) == (family in ("asr", "evaluation"))
    assert on_gpu == any(line.startswith("ENV NVIDIA_DRIVER_CAPABILITIES=") for line in chain(image))


def test_the_bake_file_the_script_and_the_containerfile_name_the_same_images() -> None:
    expected = {*STAGES, *APPLICATIONS}
    assert {name for name, (_, body) in TARGETS.items() if "ENTRYPOINT" in body} == expected
    assert sorted(groups.names(BAKE)) == sorted(expected)
    script = "BUILDER=buildah; command() { :; }; . images/common.sh; every_stage"
    said = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(said.split()) == expected


def test_ci_builds_every_image_of_the_bake_file_once_and_keeps_no_list_of_its_own() -> None:
    command = [sys.executable, "images/groups.py"]
    matrix = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    pushed = [image for row in matrix for image in row["images"].split(",")]
    assert sorted(pushed) == sorted(groups.names(BAKE))
    assert {"run-batch", "batch-report"} <= set(pushed)
    workflow = (ROOT / ".github" / "workflows" / "images.yml").read_text()
    job = yaml.safe_load(workflow)["jobs"]["push"]
    assert "groups.outputs.groups" in job["strategy"]["matrix"]["include"]
    assert [step["with"]["targets"] for step in job["steps"] if "targets" in step.get("with", {})] == [
        "${{ matrix.images }}"
    ]


@pytest.mark.parametrize("workflow", sorted((ROOT / ".github" / "workflows").iterdir()), ids=lambda path: path.stem)
def test_no_workflow_of_ci_lists_images(workflow: Path) -> None:
    name = "|".join(groups.names(BAKE))
    assert not re.search(rf"(?<![\w-])({name})[ ,]+({name})(?![\w-])", workflow.read_text())


def test_a_group_of_images_shares_its_gpu_libraries_and_cpu_has_none() -> None:
    for group, images in groups.groups(BAKE, CONTAINERFILE).items():
        for image in images:
            on_gpu = any(line.startswith(groups.GPU_MARK) for line in chain(image))
            assert on_gpu == (group != groups.CPU)
            assert group == groups.CPU or group in installed(image)


def test_an_image_without_a_target_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'speak'"):
        groups.groups(BAKE.replace('"ingest"', '"speak"'), CONTAINERFILE)


def test_the_table_of_sizes_and_the_picture_of_layers_name_every_image_once() -> None:
    readme = (ROOT / "images" / "README.md").read_text()
    rows = re.findall(r"^\| ([a-z, -]+) \| [\d.]+ \|", readme, re.MULTILINE)
    assert sorted(name for row in rows for name in row.split(", ")) == sorted(groups.names(BAKE))
    drawn = readme.split("## Layers")[1].split("A layer is made")[0]
    assert {name for name in groups.names(BAKE) if not re.search(rf"(?<![\w-]){name}(?![\w-])", drawn)} == set()
    count = re.search(r"Of the (\d+) all but", readme)
    assert count and int(count[1]) == len(groups.names(BAKE))


def test_the_bake_file_and_the_script_give_the_same_labels_and_arguments() -> None:
    script = (ROOT / "images" / "build").read_text()
    label = r"org\.opencontainers\.image\.[a-z]+"
    assert set(re.findall(label, BAKE)) == set(re.findall(label, script))
    passed = re.search(r"for name in (.*); do", script)
    assert passed and set(passed[1].split()) == set(re.findall(r"^ARG (\w+)", CONTAINERFILE, re.MULTILINE))
    assert set(passed[1].split()) <= set(re.findall(r'variable "(\w+)"', BAKE))


def test_the_base_is_named_by_digest_the_same_in_both_files() -> None:
    in_containerfile = re.findall(r"^ARG BASE=(.*)$", CONTAINERFILE, re.MULTILINE)
    in_bake = re.findall(r'^variable "BASE" { default = "(.*)" }$', BAKE, re.MULTILINE)
    assert in_containerfile == in_bake and len(in_bake) == 1
    assert re.fullmatch(r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}", in_bake[0])


@pytest.mark.parametrize("extra", sorted(set().union(*map(installed, STAGES)) - {"cuda12"}))
def test_everything_in_a_layer_is_pinned(extra: str) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {layer.canonical(line.split("==")[0]) for line in lines if not line.startswith("#")}
    assert closure(extra) <= pinned


def test_no_address_of_a_registry_is_written_down() -> None:
    files = [*(ROOT / "images").iterdir(), *(ROOT / ".github" / "workflows").iterdir()]
    for path in (path for path in files if path.is_file()):
        for address in re.findall(r"https?://[^\s\"')]+", path.read_text()):
            assert address == "http://$node:$port", f"{path.name} names {address}"


def test_actions_are_pinned_by_commit() -> None:
    for path in (ROOT / ".github" / "workflows").iterdir():
        for line in re.findall(r"uses: (?!\./)(.*)", path.read_text()):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+", line), f"{path.name}: {line}"
