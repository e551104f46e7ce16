"""What a cluster has and lacks for voicemill, a sentence each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from voicemill import __version__
from voicemill.cluster import fitting, queues
from voicemill.cluster.api import GROUP, VERSION, NotAllowed, NotConfigured, NotThere
from voicemill.cluster.kube import Kube, errors
from voicemill.contract import pods
from voicemill.core.errors import TryAgain, VoicemillError
from voicemill.engine.workflow import load

if TYPE_CHECKING:
    from rich.console import Console

Level = Literal["ok", "unsure", "missing"]
WORKFLOWS = (
    *("clone-voice", "synthesize", "prepare-models"),
    *("build-voice", "clone-batch", "pretrain", "synthesize-bulk", "voicemill-stages"),
)
OLDEST_KUBERNETES = (1, 30)
OLDEST_ARGO = (4, 0)
_OWN_RIGHTS = (
    (GROUP, "workflows", ("create", "get", "list", "patch")),
    (GROUP, "workflowtemplates", ("get",)),
    ("", "pods", ("list",)),
    ("", "pods/log", ("get",)),
)
_POD_RIGHTS = ((GROUP, "workflowtaskresults", ("create", "patch")),)
_COLLECTION_RIGHTS = (
    (GROUP, "workflowartifactgctasks", ("list", "watch")),
    (GROUP, "workflowartifactgctasks/status", ("patch",)),
)


@dataclass(frozen=True)
class Finding:
    """Something that was looked at: whether it is as it should be, and a sentence."""

    level: Level
    about: str
    sentence: str


def examine(namespace: str | None) -> list[Finding]:
    """Look at everything that runs of voicemill need.

    Args:
        namespace: Where the runs would be; None is the kubeconfig's.
    """
    try:
        kube = Kube(namespace)
    except NotConfigured as error:
        return [Finding("missing", "cluster", str(error))]
    try:
        found = list(_server(kube))
    except TryAgain as error:
        return [Finding("missing", "cluster", str(error))]
    for look in (_argo, _templates, _settings, _rights, _s3, _gpus, _queues):
        found += _looked(look, kube)
    return found


def _looked(look: Callable[[Kube], Iterator[Finding]], kube: Kube) -> Iterator[Finding]:
    about = look.__name__.strip("_")
    try:
        yield from look(kube)
    except NotAllowed as error:
        yield Finding("unsure", about, f"{error}: it cannot be checked from here whether everything is installed")
    except VoicemillError as error:
        yield Finding("missing", about, str(error))


def show(findings: list[Finding], console: Console) -> int:
    """Print findings; returns the exit code: 69 if something is missing."""
    from rich.text import Text

    signs = {"ok": ("ok", "green"), "unsure": ("?", "yellow"), "missing": ("missing", "red")}
    for finding in findings:
        console.print(
            Text.assemble((f"{signs[finding.level][0]:<8}", signs[finding.level][1]), f"{finding.about:<11}"),
            Text(finding.sentence),
            soft_wrap=True,
        )
    missing = sum(finding.level == "missing" for finding in findings)
    console.print(f"{missing} requirements are missing" if missing else "all requirements are met")
    return 69 if missing else 0


def _server(kube: Kube) -> Iterator[Finding]:
    from kubernetes import client

    with errors("version of the cluster"):
        version = client.VersionApi(kube.api).get_code()
    number = (int(version.major), int(re.sub(r"\D", "", version.minor)))
    good = number >= OLDEST_KUBERNETES
    wanted = "" if good else "; 1.30 or newer is required"
    yield Finding("ok" if good else "missing", "cluster", f"Kubernetes {version.git_version} answers{wanted}")


def _argo(kube: Kube) -> Iterator[Finding]:
    from kubernetes import client

    with errors("CRDs of argoproj.io"):
        try:
            found: Any = client.CustomObjectsApi(kube.api).get_api_resources(GROUP, VERSION)
        except client.ApiException as error:
            if error.status != 404:
                raise
            raise NotThere("Argo Workflows is not installed: the cluster has no CRDs of argoproj.io") from error
    names = {item.name for item in found.resources}
    needed = {"workflows", "workflowtemplates", "workflowtaskresults", "workflowartifactgctasks"}
    if needed - names:
        yield Finding("missing", "argo", f"the cluster does not know {', '.join(sorted(needed - names))}: install CRDs")
    else:
        yield Finding("ok", "argo", "the CRDs of Argo Workflows are installed")
    yield _controller(kube)


def _controller(kube: Kube) -> Finding:
    from kubernetes import client

    with errors("list of the deployments"):
        every: Any = client.AppsV1Api(kube.api).list_deployment_for_all_namespaces()
    for deployment in every.items:
        for container in deployment.spec.template.spec.containers:
            match = re.search(r"workflow-controller.*?:v?(\d+)\.(\d+)", container.image or "")
            if not match:
                continue
            where = f"{deployment.metadata.name} in {deployment.metadata.namespace}"
            if not deployment.status.ready_replicas:
                return Finding("missing", "argo", f"the workflow controller {where} is not ready")
            number = (int(match[1]), int(match[2]))
            if number < OLDEST_ARGO:
                return Finding("missing", "argo", f"{where} is Argo {match[1]}.{match[2]}; 4.0 or newer is required")
            return Finding("ok", "argo", f"the workflow controller {where} runs, Argo {match[1]}.{match[2]}")
    return Finding("unsure", "argo", "no Deployment of a workflow controller was found; runs stay Pending without one")


def _templates(kube: Kube) -> Iterator[Finding]:
    for name in WORKFLOWS:
        try:
            template = kube.template(name)
        except NotThere:
            yield Finding("missing", "workflows", f"{name} is not in the namespace {kube.namespace}: install the chart")
            continue
        images = {item["container"]["image"] for item in template["spec"]["templates"] if "container" in item}
        tags = {image.rpartition(":")[2] for image in images}
        same = tags == {__version__}
        words = f"{name} is installed" + (
            "" if same else f", with images {', '.join(sorted(tags))}; this is {__version__}"
        )
        yield Finding("ok" if same else "unsure", "workflows", words)


def _settings(kube: Kube) -> Iterator[Finding]:
    name = kube.namespace
    for account in dict.fromkeys(_accounts(kube)):
        try:
            with errors(f"service account {account} in {name}"):
                kube.core.read_namespaced_service_account(account, name)
            yield Finding("ok", "settings", f"the service account {account} exists")
        except NotThere:
            words = f"the service account {account} is missing in {name}: install the chart"
            yield Finding("missing", "settings", words)
    settings = _config_map(kube)
    lacking = [key for key in ("S3_BUCKET",) if not settings.get(key)]
    if lacking:
        where = f"the ConfigMap {_settings_name(kube)} in {name}"
        words = f"{where} lacks {', '.join(lacking)}: the state of training is not kept"
        yield Finding("missing", "settings", words)
    else:
        yield Finding("ok", "settings", f"pods use the bucket {settings['S3_BUCKET']}")


def _config_map(kube: Kube) -> dict[str, str]:
    name = _settings_name(kube)
    try:
        with errors(f"ConfigMap {name} in {kube.namespace}"):
            found: Any = kube.core.read_namespaced_config_map(name, kube.namespace)
    except NotThere:
        return {}
    return found.data or {}


def _settings_name(kube: Kube) -> str:
    """Return the name of the ConfigMap that stages have as their environment."""
    containers = [item["container"] for item in _clone_voice(kube)["templates"] if "container" in item]
    sources = [source for container in containers for source in container.get("envFrom") or []]
    return next((each["configMapRef"]["name"] for each in sources if "configMapRef" in each), pods.SETTINGS)


def _clone_voice(kube: Kube) -> dict[str, Any]:
    """Return the spec of the cluster's clone-voice, or of this installation's where the cluster has none."""
    try:
        return kube.template("clone-voice")["spec"]
    except NotThere:
        return load("clone-voice").spec


def _rights(kube: Kube) -> Iterator[Finding]:
    from kubernetes import client

    review = client.AuthorizationV1Api(kube.api)

    def asked(rights: tuple[tuple[str, str, tuple[str, ...]], ...], user: str | None) -> list[str]:
        denied = []
        for group, resource, verbs in rights:
            kind, _, part = resource.partition("/")
            for verb in verbs:
                attributes = client.V1ResourceAttributes(
                    namespace=kube.namespace, group=group, resource=kind, subresource=part or None, verb=verb
                )
                with errors(f"review of rights in {kube.namespace}"):
                    if user is None:
                        spec = client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
                        answer: Any = review.create_self_subject_access_review(
                            client.V1SelfSubjectAccessReview(spec=spec)
                        )
                    else:
                        named = client.V1SubjectAccessReviewSpec(resource_attributes=attributes, user=user)
                        answer = review.create_subject_access_review(client.V1SubjectAccessReview(spec=named))
                if not answer.status.allowed:
                    denied.append(f"{verb} {resource}")
        return denied

    denied = asked(_OWN_RIGHTS, None)
    yield _may("you", denied, f"in the namespace {kube.namespace}")
    own, collection = _accounts(kube)
    for account, rights, why in (
        (own, _POD_RIGHTS, "(pods report their results)"),
        (collection, _COLLECTION_RIGHTS, "(artifacts are deleted with their workflow)"),
    ):
        denied = asked(rights, f"system:serviceaccount:{kube.namespace}:{account}")
        yield _may(f"the service account {account}", denied, why)


def _accounts(kube: Kube) -> tuple[str, str]:
    """Return who runs the pods, and who artifact garbage collection, as the cluster's clone-voice says."""
    spec = _clone_voice(kube)
    account = spec.get("serviceAccountName", pods.SERVICE_ACCOUNT)
    return account, spec.get("artifactGC", {}).get("serviceAccountName", account)


def _may(who: str, denied: list[str], where: str) -> Finding:
    if denied:
        return Finding("missing", "rights", f"{who} may not {', '.join(denied)} {where}")
    return Finding("ok", "rights", f"{who} has all required permissions {where}")


def _s3(kube: Kube) -> Iterator[Finding]:
    import uuid

    from voicemill.storage.s3 import S3Store

    settings = _config_map(kube)
    bucket = os.environ.get("S3_BUCKET") or settings.get("S3_BUCKET")
    if not bucket:
        yield Finding("missing", "s3", "neither S3_BUCKET here nor the pods' ConfigMap names a bucket")
        return
    endpoint = os.environ.get("S3_ENDPOINT") or os.environ.get("AWS_ENDPOINT_URL") or settings.get("S3_ENDPOINT")
    store = S3Store(bucket, "uploads", endpoint=endpoint)
    key = f".doctor-{uuid.uuid4().hex}"
    store.write(key, b"written and deleted by voicemill doctor", only_if_absent=True)
    store.delete(key)
    yield Finding(
        "ok", "s3", f"the bucket {bucket} can be written to from here" + (f", at {endpoint}" * bool(endpoint))
    )


def _gpus(kube: Kube) -> Iterator[Finding]:
    with errors("list of the nodes"):
        nodes: Any = kube.core.list_node()
    spec = _clone_voice(kube)
    machines = [fitting.Machine.of(kube.api.sanitize_for_serialization(node)) for node in nodes.items]
    needs = [need for item in spec["templates"] if "container" in item for need in fitting.Need.all_of(item)]
    for machine in machines:
        if machine.devices or machine.product:
            fits = [need.stage for need in needs if need.devices and not need.refusal(machine)]
            stages = f"fits {', '.join(fits)}" if fits else "fits no stage that needs a GPU"
            yield Finding("ok" if fits else "unsure", "gpus", f"{machine}: {stages}")
    for need in needs:
        refusals = {machine.name: need.refusal(machine) for machine in machines}
        if refusals and all(refusals.values()):
            reasons = "; ".join(f"{name}: {reason}" for name, reason in list(refusals.items())[:3])
            words = f"no node fits {need.stage} ({reasons})"
            if need.devices and not any(machine.devices for machine in machines):
                words += "; if a node group grows from nothing, gpu.select=none and its gpu.nodeSelector let it"
            yield Finding("missing", "gpus" if need.devices else "nodes", words)


def _queues(kube: Kube) -> Iterator[Finding]:
    """Look for Kueue's queues that the pods of clone-voice wait in: in one that is not there they wait for ever."""
    from kubernetes import client

    wanted = sorted(queues.queues({"spec": _clone_voice(kube)}))
    if not wanted:
        return
    with errors("list of the cluster's APIs"):
        groups: Any = client.ApisApi(kube.api).get_api_versions()
    version = next((each.preferred_version.version for each in groups.groups if each.name == queues.GROUP), None)
    for name in wanted:
        if version is None:
            yield Finding("missing", "queues", f"GPU pods are to wait in Kueue's queue {name}: install Kueue")
            continue
        where = f"LocalQueue {name} in {kube.namespace}"
        try:
            with errors(where):
                queue: Any = client.CustomObjectsApi(kube.api).get_namespaced_custom_object(
                    queues.GROUP, version, kube.namespace, "localqueues", name
                )
        except NotThere:
            yield Finding("missing", "queues", f"there is no {where}: GPU pods wait for it for ever")
            continue
        conditions = {each["type"]: each for each in (queue.get("status") or {}).get("conditions") or []}
        active = conditions.get("Active") or {}
        if active.get("status") == "False":
            yield Finding("missing", "queues", f"the {where} admits nothing: {active.get('message', '')}")
        else:
            yield Finding("ok", "queues", f"GPU pods wait in the {where}")
