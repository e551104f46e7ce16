"""A declaration as a Hera `Container` template: the same options, filled from Argo's artifacts and parameters."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from voicemill import __version__
from voicemill.contract import pods, retries
from voicemill.contract.declaration import CONFIG, ArtifactField, Declaration, ParameterField, kebab
from voicemill.core import hardware

if TYPE_CHECKING:
    from hera.workflows import Artifact, Container, Parameter
    from hera.workflows.models import Affinity

INPUTS = "/tmp/voicemill/in"
OUTPUTS = "/tmp/voicemill/out"
STATE = "/tmp/voicemill/state"

ENVIRONMENT = {
    "VOICEMILL_LOG": "json",
    "VOICEMILL_TERMINATION_LOG": "/dev/termination-log",
    "VOICEMILL_WORKFLOW": "{{workflow.name}}",
}
"""How a stage speaks in a pod: lines of JSON, of which run, and where it leaves the sentence that it ends with."""

STATE_GRACE_SECONDS = 120
"""What a stage with a state gets after SIGTERM to save it and send it to S3."""

GPU_RESOURCE = "nvidia.com/gpu"
GPU_MEMORY_LABEL = "nvidia.com/gpu.memory"
GPU_MEMORY_FLOORS = {"4Gi": 3700, "6Gi": 5600, "8Gi": 7500}
"""Nominal size -> MiB that the label must exceed: cards report less than their name says, and `Gt` is strict."""

GPU_MEMORY = "voicemill.dev/gpu-memory"
"""Annotation of a stage that asks for a GPU: the least memory that it must have."""

MORE_GPU_MEMORY = "voicemill.dev/more-gpu-memory"
"""Annotation of a stage that needs a larger GPU with some values of a parameter, for the chart and `doctor`: JSON."""

REUSE = "voicemill.dev/reuse"
"""Annotation of a stage's pod: whether it takes over what an earlier run made; see `voicemill.contract.reuse`."""
ARTIFACT_KEYS = "voicemill.dev/artifact-keys"
"""Annotation of a stage's pod: prefix of the S3 keys of its run's artifacts."""
REUSE_MODE, KEYS, NAMESPACE = "VOICEMILL_REUSE", "VOICEMILL_KEYS", "VOICEMILL_NAMESPACE"
"""Environment variables with both, and with the namespace, which only a cluster fills in."""


@dataclass(frozen=True)
class MoreGpuMemory:
    """What a stage needs of a GPU with some values of a parameter.

    Attributes:
        parameter: Name of the parameter, as in Argo.
        values: With these more is needed; they are plain words.
        memory: How much, `8Gi`.
    """

    parameter: str
    values: tuple[str, ...]
    memory: str

    def choose(self, more: object, otherwise: object) -> str:
        """Return the tag by which Argo chooses between two texts when a pod is made."""
        listed = ", ".join(f"'{value}'" for value in self.values)
        return f"{{{{=inputs.parameters['{self.parameter}'] in [{listed}] ? '{more}' : '{otherwise}'}}}}"


def container(
    declaration: Declaration,
    *,
    image: str,
    cpu: float,
    memory: str,
    gpu_memory: str | None,
    more_gpu_memory: MoreGpuMemory | None = None,
    results: tuple[str, ...],
    kept: tuple[str, ...] = (),
    conducts: bool = False,
    keys: str | None = None,
    part: str = "",
    ledgers: str | None = None,
    reuse: str = "",
    gpu_affinity: bool = True,
    **overrides: Any,
) -> Container:
    """Return the Argo container template of a stage.

    Args:
        declaration: The stage's.
        image: Full image reference.
        cpu: Cores requested.
        memory: Host memory requested, `4Gi`; grows after a kill for memory.
        gpu_memory: GPU memory the node must have, `4Gi` or `6Gi`; None for a stage that asks for no GPU.
        more_gpu_memory: With which values of a parameter it must have more.
        results: Fields of the summary that become output parameters.
        kept: Output artifacts that outlive their workflow, whatever its garbage collection of artifacts.
        conducts: Whether the stage makes and ends workflows itself.
        keys: Prefix of the S3 keys of output artifacts, `voices/lj/{{workflow.name}}`, which then lie at
            `<keys>/<stage>/<artifact>` and `<keys>/ledgers/<stage>.jsonl`, and of the state of a stage that has one;
            None leaves artifacts to the artifact repository and the state in the pod.
        part: Of a stage that is one task of a fan-out, what tells this one from the others, such as
            `{{inputs.parameters.shard}}`: the last part of its keys. Its state is for the task to say.
        ledgers: Prefix of the ledger's key, where it is not `keys`.
        reuse: Mode of `voicemill.contract.reuse`, or a tag that gives it; empty, or without `keys`, reuses nothing.
        gpu_affinity: False where nodes do not carry GPU feature discovery's labels.
        **overrides: Any argument of Hera's `Container`; `env`, `annotations` and `labels` are added to the stage's own.
    """
    from hera.workflows import Container, Env, FieldEnv, Resources

    own_env = overrides.pop("env", {})
    env = {**ENVIRONMENT, **retries.ENVIRONMENT, **own_env}
    of_pod = {hardware.NODE: "spec.nodeName"}
    annotations = {"voicemill.dev/stage": declaration.name}
    shared: set[str] = set() if declaration.takes_config else {CONFIG.name}
    locations = [field.name for field in declaration.parameters if field.is_location and field.name not in shared]
    if locations:
        annotations["voicemill.dev/locations"] = ",".join(locations)
    if shared:
        annotations["voicemill.dev/config"] = CONFIG.name
    destinations = [field.name for field in declaration.parameters if field.is_destination]
    if destinations:
        annotations["voicemill.dev/destinations"] = ",".join(destinations)
    states = declaration.of_role("state")
    if states:
        annotations["voicemill.dev/state"] = ",".join(state.name for state in states)
    # Only a cluster fills these in: on one machine the engine avoids work.
    if gpu_memory and keys and not part:
        annotations[ARTIFACT_KEYS] = keys
        of_pod[KEYS] = f"metadata.annotations['{ARTIFACT_KEYS}']"
        if reuse:
            annotations[REUSE] = reuse
            of_pod[REUSE_MODE] = f"metadata.annotations['{REUSE}']"
            of_pod[NAMESPACE] = "metadata.namespace"
    resources = Resources(cpu_request=cpu, memory_request=memory, memory_limit=memory)
    if gpu_memory:
        resources.gpus = 1
        annotations[GPU_MEMORY] = gpu_memory
        if more_gpu_memory:
            annotations[MORE_GPU_MEMORY] = json.dumps(asdict(more_gpu_memory))
        # Only a cluster fills this in; on one machine the stage takes the GPU that there is, if there is one.
        of_pod[hardware.GPU_GIVEN] = f"metadata.annotations['{GPU_MEMORY}']"
        if gpu_affinity:
            overrides.setdefault("affinity", affinity(gpu_memory, more_gpu_memory))
    arguments: dict[str, Any] = {
        "name": declaration.name,
        "image": image,
        "command": ["python", "-m", declaration.module],
        "args": arguments_of(declaration, results),
        "env": [
            *(Env(name=name, value=value) for name, value in env.items()),
            *(FieldEnv(name=name, field_path=path) for name, path in of_pod.items() if name not in own_env),
        ],
        "annotations": {**annotations, **overrides.pop("annotations", {})},
        "labels": {**pods.PART_OF, **overrides.pop("labels", {})},
        "inputs": [
            *(_input(artifact) for artifact in declaration.of_role("input")),
            *(parameter(field) for field in declaration.parameters),
            *(_state(state, declaration.name, None if part else keys) for state in states),
        ],
        "outputs": [
            *(
                _output(artifact, declaration.name, keys, part, stays=artifact.name in kept)
                for artifact in declaration.of_role("output")
            ),
            *(_sent(state, declaration.name, keys, part) for state in states),
            _ledger(declaration.name, ledgers or keys, part),
            *(_result(name) for name in ("summary", *results)),
        ],
        "resources": resources,
        "retry_strategy": retries.retry_strategy(),
        "pod_spec_patch": pods.patch(memory, STATE_GRACE_SECONDS if states else None),
        **pods.policy(conducts=conducts, needs_gpu=bool(gpu_memory)),
        # A stage leaves the one sentence that it ends with; of one that was killed the end of its log takes its place.
        "termination_message_policy": "FallbackToLogsOnError",
    }
    return Container(**{**arguments, **overrides})


def arguments_of(declaration: Declaration, results: tuple[str, ...]) -> list[str]:
    """Return the stage's options with Argo's variables as values."""
    pairs: list[str] = []
    for artifact in declaration.artifacts:
        place = {
            "input": f"{{{{inputs.artifacts.{artifact.name}.path}}}}",
            "output": f"{{{{outputs.artifacts.{artifact.name}.path}}}}",
            "state": f"{{{{inputs.parameters.{artifact.name}}}}}",
        }
        pairs += [f"--{artifact.name}", place[artifact.kind.role]]
        if artifact.kind.role == "state":
            pairs += [f"--{kebab(artifact.sent_field)}", f"{{{{outputs.artifacts.{artifact.name}.path}}}}"]
    for parameter in declaration.parameters:
        pairs += [f"--{parameter.name}", f"{{{{inputs.parameters.{parameter.name}}}}}"]
    pairs += ["--summary", "{{outputs.parameters.summary.path}}", "--ledger", "{{outputs.artifacts.ledger.path}}"]
    for name in results:
        pairs += ["--result", f"{name}={{{{outputs.parameters.{kebab(name)}.path}}}}"]
    return pairs


def affinity(gpu_memory: str, more: MoreGpuMemory | None = None) -> Affinity:
    """Nodes whose GPU has at least the nominal memory, by the label of GPU feature discovery (MiB)."""
    from hera.workflows import models

    floor = str(GPU_MEMORY_FLOORS[gpu_memory])
    if more:
        floor = more.choose(GPU_MEMORY_FLOORS[more.memory], floor)
    requirement = models.NodeSelectorRequirement(key=GPU_MEMORY_LABEL, operator="Gt", values=[floor])
    term = models.NodeSelectorTerm(match_expressions=[requirement])
    selector = models.NodeSelector(node_selector_terms=[term])
    return models.Affinity(
        node_affinity=models.NodeAffinity(required_during_scheduling_ignored_during_execution=selector)
    )


def default_image(stage: str) -> str:
    """Return the image of a stage, to be put behind a registry's address."""
    return f"voicemill-{stage}:{__version__}"


def _input(artifact: ArtifactField) -> Artifact:
    from hera.workflows import Artifact

    return Artifact(name=artifact.name, path=f"{INPUTS}/{artifact.name}", optional=artifact.optional or None)


def _output(artifact: ArtifactField, stage: str, keys: str | None, part: str, *, stays: bool) -> Artifact:
    key = key_of(artifact, stage, keys, part)
    return _artifact(artifact.name, f"{OUTPUTS}/{artifact.name}", key, optional=artifact.optional, stays=stays)


def key_of(artifact: ArtifactField, stage: str, keys: str | None, part: str = "") -> str | None:
    """Return the S3 key of a stage's output, below the prefix `keys`.

    A folder's ends with a slash: Argo's garbage collection takes all that is below such a key, and of any other just
    the one object.
    """
    slash = "/" if artifact.kind.is_folder else ""
    return "/".join(filter(None, (keys, stage, artifact.name, part))) + slash if keys else None


def _sent(state: ArtifactField, stage: str, keys: str | None, part: str) -> Artifact:
    """Return a note that the state was kept in S3, for Argo: what lies below its key goes when the run is deleted."""
    return _artifact(state.name, f"{OUTPUTS}/{state.name}", key_of(state, stage, keys, part), optional=True)


def _ledger(stage: str, keys: str | None, part: str) -> Artifact:
    # All ledgers of a run share one prefix, so that the report can take them as one folder.
    key = "/".join(filter(None, (keys, "ledgers", stage, part))) + ".jsonl" if keys else None
    return _artifact("ledger", f"{OUTPUTS}/ledger.jsonl", key, optional=True)


def _artifact(name: str, path: str, key: str | None, *, optional: bool, stays: bool = False) -> Artifact:
    from hera.workflows import Artifact, NoneArchiveStrategy, S3Artifact
    from hera.workflows.models import ArtifactGC

    arguments: dict[str, Any] = {
        "name": name,
        "path": path,
        # Unarchived: a folder is then browsable in S3, and thousands of small files need no tar on either side.
        "archive": NoneArchiveStrategy(),
        "optional": optional or None,
        "artifact_gc": ArtifactGC(strategy="Never") if stays else None,
    }
    return Artifact(**arguments) if key is None else S3Artifact(**arguments, key=key)


def parameter(field: ParameterField) -> Parameter:
    """Return a stage's parameter as Argo's, with its description and its choices.

    Its default is empty, which leaves it to a config, to the base weights, and to the stage's own default.
    """
    from hera.workflows import Parameter

    enum = list(field.choices) or (["true", "false"] if field.type is bool else None)
    if not field.may_be_empty:
        return Parameter(name=field.name, description=field.help or None, enum=enum)
    default = f"Default: {field.text()}." if field.text() else ""
    description = " ".join(filter(None, (field.help, default))) or None
    return Parameter(name=field.name, description=description, enum=["", *enum] if enum else None, default="")


def _state(artifact: ArtifactField, stage: str, keys: str | None) -> Parameter:
    from hera.workflows import Parameter

    key = key_of(artifact, stage, keys)
    place = f"s3:///{key}".rstrip("/") if key else f"{STATE}/{artifact.name}"
    help_text = artifact.help or "Folder or s3:// address that survives kills and retries."
    return Parameter(name=artifact.name, description=help_text, default=place)


def _result(name: str) -> Parameter:
    from hera.workflows import Parameter
    from hera.workflows.models import ValueFrom

    file = f"{OUTPUTS}/summary.json" if name == "summary" else f"{OUTPUTS}/results/{kebab(name)}"
    return Parameter(name=kebab(name), value_from=ValueFrom(path=file))
