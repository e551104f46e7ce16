"""Fields of Argo's objects that this engine honours or ignores, and a check that rejects all others.

A field that is in neither list is refused by its path before anything runs: running a workflow while quietly dropping a
part of its meaning would be worse than not running it. What is left aside only says where and how a cluster places a
pod and keeps its traces; the result of a stage does not depend on it.

Honoured as slots: `resources` (CPU, memory, nvidia.com/gpu), also those set by `podSpecPatch`.
Taken from this process's environment instead: `envFrom` and `env[].valueFrom` (credentials).
"""

from __future__ import annotations

from typing import Any

from voicemill.core.json_values import is_list, is_object

Json = dict[str, Any]

_PLACEMENT = (
    "affinity automountServiceAccountToken dnsConfig dnsPolicy executor hostAliases hostNetwork imagePullSecrets "
    "nodeSelector podMetadata podResources priorityClassName resourceClaims schedulerName securityContext "
    "serviceAccountName tolerations volumes"
)
_TASK = {
    "name": "",
    "template": "",
    "templateRef": "TemplateRef",
    "inline": "Template",
    "arguments": "Arguments",
    "withItems": "",
    "withParam": "",
    "when": "",
    "continueOn": "ContinueOn",
}

# Structure -> (honoured field -> structure of its value, fields left aside). "[X" is a list of X, "" any value.
_STRUCTURES: dict[str, tuple[dict[str, str], str]] = {
    "WorkflowSpec": (
        {
            "templates": "[Template",
            "entrypoint": "",
            "arguments": "Arguments",
            "parallelism": "",
            "onExit": "",
            "activeDeadlineSeconds": "",
            "podSpecPatch": "",
            "retryStrategy": "RetryStrategy",
            "templateDefaults": "Template",
            "workflowTemplateRef": "TemplateRef",
        },
        f"{_PLACEMENT} archiveLogs artifactGC artifactRepositoryRef metrics podDisruptionBudget podGC "
        "podPriorityClassName priority synchronization ttlStrategy volumeClaimGC volumeClaimTemplates "
        "workflowMetadata",
    ),
    "Template": (
        {
            "name": "",
            "inputs": "Inputs",
            "outputs": "Outputs",
            "container": "Container",
            "script": "Script",
            "dag": "Dag",
            "steps": "[[Step",
            "suspend": "Suspend",
            "metadata": "Metadata",
            "annotations": "",
            "activeDeadlineSeconds": "",
            "timeout": "",
            "retryStrategy": "RetryStrategy",
            "parallelism": "",
            "failFast": "",
            "podSpecPatch": "",
            "synchronization": "Synchronization",
        },
        f"{_PLACEMENT} archiveLocation memoize metrics pendingTimeout",
    ),
    "Metadata": ({"annotations": "", "labels": ""}, ""),
    "Container": (
        {"name": "", "command": "", "args": "", "env": "[Env", "resources": ""},
        "envFrom image imagePullPolicy livenessProbe ports readinessProbe securityContext startupProbe "
        "terminationMessagePath terminationMessagePolicy volumeDevices volumeMounts workingDir",
    ),
    "Env": ({"name": "", "value": ""}, "valueFrom"),
    "Dag": ({"tasks": "[Task", "target": "", "failFast": ""}, ""),
    "Task": ({**_TASK, "depends": "", "dependencies": ""}, ""),
    "Step": (_TASK, ""),
    "TemplateRef": ({"name": "", "template": ""}, ""),
    "ContinueOn": ({"failed": "", "error": ""}, ""),
    "Suspend": ({"duration": ""}, ""),
    "Arguments": ({"parameters": "[Argument", "artifacts": "[ArtifactIn"}, ""),
    "Inputs": ({"parameters": "[ParameterIn", "artifacts": "[ArtifactIn"}, ""),
    "Outputs": ({"parameters": "[ParameterOut", "artifacts": "[ArtifactOut"}, ""),
    "Argument": ({"name": "", "value": "", "default": "", "enum": ""}, "description"),
    "ParameterIn": ({"name": "", "value": "", "default": "", "enum": "", "valueFrom": "ValueIn"}, "description"),
    "ParameterOut": ({"name": "", "valueFrom": "ValueOut", "globalName": ""}, "description"),
    "ValueIn": ({"default": "", "supplied": ""}, ""),
    "ValueOut": ({"path": "", "parameter": "", "expression": "", "default": "", "supplied": ""}, ""),
    "ArtifactIn": (
        {
            "name": "",
            "path": "",
            "from": "",
            "fromExpression": "",
            "optional": "",
            "subPath": "",
            "raw": "Raw",
            "s3": "S3",
        },
        "archive artifactGC mode recurseMode",
    ),
    "ArtifactOut": (
        {
            "name": "",
            "path": "",
            "from": "",
            "fromExpression": "",
            "optional": "",
            "subPath": "",
            "globalName": "",
            "s3": "S3",
        },
        "archive artifactGC mode recurseMode",
    ),
    "Raw": ({"data": ""}, ""),
    "S3": (
        {"key": ""},
        "accessKeySecret bucket caSecret createBucketIfNotPresent encryptionOptions endpoint insecure region roleARN "
        "secretKeySecret sessionTokenSecret useSDKCreds",
    ),
    "RetryStrategy": ({"limit": "", "retryPolicy": "", "backoff": "Backoff", "expression": ""}, "affinity"),
    "Backoff": ({"duration": "", "factor": "", "maxDuration": "", "cap": ""}, ""),
    "Synchronization": ({"mutex": "Mutex", "mutexes": "[Mutex"}, "semaphore semaphores"),
    "Mutex": ({"name": ""}, "namespace database"),
}
_STRUCTURES["Script"] = ({**_STRUCTURES["Container"][0], "source": ""}, _STRUCTURES["Container"][1])


def unsupported(value: Any, structure: str = "WorkflowSpec", path: str = "spec") -> list[str]:
    """Return the paths of the fields that are neither honoured nor known to be safe to leave aside.

    Args:
        value: An object as parsed from YAML.
        structure: Name of its structure.
        path: Where it stands, for the paths that come back, as `spec.templates[slice].container.lifecycle`.
    """
    if structure.startswith("["):
        items = value if is_list(value) else [value]
        named = [item.get("name") if is_object(item) else None for item in items]
        return [
            found
            for number, item in enumerate(items)
            for found in unsupported(item, structure[1:], f"{path}[{named[number] or number}]")
        ]
    if not structure or value is None:
        return []
    if not is_object(value):
        return [f"{path} (not an object)"]
    honoured, aside = _STRUCTURES[structure]
    found: list[str] = []
    for key, item in value.items():
        if key in honoured:
            found += unsupported(item, honoured[key], f"{path}.{key}")
        elif key not in aside.split() and item not in (None, [], {}):
            found.append(f"{path}.{key}")
    return found


def section(value: Json, name: str) -> Json:
    """Return a field that is an object; an empty one where it is absent or null."""
    found: Json = value.get(name) or {}
    return found


def rows(value: Json, name: str) -> list[Json]:
    """Return a field that is a list of objects; an empty one where it is absent or null."""
    found: list[Json] = value.get(name) or []
    return found


def listed(value: Json, name: str) -> list[Any]:
    """Return a field that is a list; an empty one where it is absent or null."""
    found: list[Any] = value.get(name) or []
    return found


def left_aside() -> dict[str, list[str]]:
    """Return the fields that are knowingly left aside, by structure, for the documentation."""
    return {name: sorted(aside.split()) for name, (_, aside) in _STRUCTURES.items() if aside}
