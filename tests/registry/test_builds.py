"""A voice is built again when anything changed that it follows from, and speaks as it was chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicemill.contract.flow import Use
from voicemill.contract.workflow_parameters import parameters_of
from voicemill.engine.workflow import load
from voicemill.registry import builds
from voicemill.stages.check_build_cache import check_build_cache
from voicemill.voice.stages import STAGES


def reached() -> dict[str, set[str]]:
    """The parameters of build-voice, and the stages that each reaches as it is."""
    parameters = parameters_of(load("build-voice"))
    found: dict[str, set[str]] = {name: set() for name in parameters.items}
    for call in parameters.calls:
        for source in call.sources.values():
            if isinstance(source, Use):
                found[source.parameter].add(call.stage.function.__module__.removeprefix("voicemill.stages."))
    return found


def test_the_digest_has_every_parameter_that_a_voice_follows_from() -> None:
    parameters = parameters_of(load("build-voice"))
    of_the_voice = {name for name, stages in reached().items() if stages & set(STAGES)}
    assert {"config", "sovits-epochs", "precision", "review", "on-review-timeout"} <= of_the_voice
    left_out = set(builds.NOT_IN_THE_DIGEST)
    # The registry is where the voice goes; what is there decides nothing about it.
    assert of_the_voice & left_out == {"registry"}
    assert left_out <= set(parameters.items), "a parameter that is left out is one of the workflow's"


def test_the_digest_has_the_content_of_every_place_that_is_read() -> None:
    read = set(parameters_of(load("build-voice")).places()) - {"text"}
    assert read - {"consent", "config"} == set(builds.PLACES)
    assert read <= {field.name for field in check_build_cache.parameters}


def test_the_digest_has_the_code_of_every_stage_up_to_the_voice() -> None:
    names = [
        call.stage.function.__module__.removeprefix("voicemill.stages.")
        for call in parameters_of(load("clone-voice")).calls
    ]
    assert set(STAGES) == set(names) - {"synthesize", "report"}


@pytest.mark.parametrize("name", ["config", "sovits-epochs", "seed", "asr-backend", "proofread"])
def test_another_value_is_another_digest(name: str, tmp_path: Path) -> None:
    for folder in ("source", "models"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text("x")

    def digest(**given: str) -> str:
        places = {"source": str(tmp_path / "source"), "models": str(tmp_path / "models")}
        return builds.digest({**places, **given})

    assert digest(**{name: "1"}) != digest(**{name: "2"})
    assert digest(**{"compare-lines": "1"}) == digest(**{"compare-lines": "2"})
