"""The little of Kubernetes' and Argo's APIs that the cluster tests use."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import yaml
from kubernetes import client, config, dynamic
from kubernetes.dynamic.exceptions import NotFoundError

Object = dict[str, Any]
ENDED = ("Succeeded", "Failed", "Error")


class Cluster:
    """A cluster by its kubeconfig; objects are plain dictionaries, as in YAML."""

    def __init__(self, kubeconfig: str) -> None:
        self.api = config.new_client_from_config(kubeconfig)
        self.core = client.CoreV1Api(self.api)
        self._kinds = dynamic.DynamicClient(self.api)

    def resource(self, item: Object) -> dynamic.Resource:
        """The API that keeps objects like this one."""
        return self._kinds.resources.get(api_version=item["apiVersion"], kind=item["kind"])

    @contextmanager
    def namespace(self, hint: str) -> Iterator[Namespace]:
        """A new namespace that refuses pods which are not `restricted`."""
        name = f"{re.sub('[^a-z0-9]+', '-', hint.lower()).strip('-')[:40]}-{uuid.uuid4().hex[:6]}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        metadata = client.V1ObjectMeta(name=name, labels=labels)
        self.core.create_namespace(client.V1Namespace(metadata=metadata))
        try:
            yield Namespace(self, name)
        finally:
            self._let_go(name)
            self.core.delete_namespace(name)

    def _let_go(self, namespace: str) -> None:
        """Leave the artifacts of its workflows: who collects them goes away with it, which would wait for ever."""
        kind = self.resource({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"})
        change = {"metadata": {"finalizers": None}}
        for workflow in kind.get(namespace=namespace).items:
            with suppress(NotFoundError):  # its CronWorkflow is gone, and takes it along
                kind.patch(change, workflow.metadata.name, namespace, content_type="application/merge-patch+json")


class Namespace:
    """A namespace: creates, reads and waits for objects in it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def create(self, item: Object | str, *, dry_run: bool = False) -> Object:
        """Create an object, a dictionary or YAML; with `dry_run` the server checks it and forgets it."""
        item = yaml.safe_load(item) if isinstance(item, str) else item
        # Strict: a field that the server does not know is an error, not a warning.
        query: Any = {"query_params": [("fieldValidation", "Strict")]} | ({"dry_run": "All"} if dry_run else {})
        return self.cluster.resource(item).create(body=item, namespace=self.name, **query).to_dict()

    def get(self, item: Object) -> Object:
        """The object as it is on the server."""
        return self.cluster.resource(item).get(name=item["metadata"]["name"], namespace=self.name).to_dict()

    def patch(self, item: Object, change: Object) -> Object:
        """Merge a change into an object."""
        kind = self.cluster.resource(item)
        content_type = "application/merge-patch+json"
        name = item["metadata"]["name"]
        return kind.patch(body=change, name=name, namespace=self.name, content_type=content_type).to_dict()

    def wait(self, item: Object, until: Callable[[Object], bool], *, seconds: float, every: float = 2) -> Object:
        """The object once a condition holds of it. Raises AssertionError when it does not in time."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(item)
            if until(found):
                return found
            status = yaml.safe_dump(found.get("status", {}))
            assert time.monotonic() < deadline, f"{item['metadata']['name']} took over {seconds} s:\n{status[:4000]}"
            time.sleep(every)

    def workflow_end(self, workflow: Object, *, seconds: float) -> Object:
        """The workflow when it has ended."""
        return self.wait(workflow, lambda found: found.get("status", {}).get("phase") in ENDED, seconds=seconds)

    def pod_end(self, pod: Object, *, seconds: float) -> Object:
        """The pod when it has ended."""
        return self.wait(pod, lambda found: found.get("status", {}).get("phase") in ENDED, seconds=seconds)

    def log(self, pod: str, container: str = "main") -> str:
        """A pod's log."""
        return self.cluster.core.read_namespaced_pod_log(pod, self.name, container=container)

    def allow_workflows(self, account: str = "workflow") -> None:
        """What every namespace that runs workflows needs: an account that may report results, and S3's credentials."""
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": account}}
        rules = [{"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}]
        subject = {"kind": "ServiceAccount", "name": account, "namespace": self.name}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account}
        self.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}})
        self.create({**role, "rules": rules})
        self.create({**role, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]})
        keys = {"accessKey": os.environ["AWS_ACCESS_KEY_ID"], "secretKey": os.environ["AWS_SECRET_ACCESS_KEY"]}
        # The name that the controller's default artifact repository asks for.
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3-credentials"}, "stringData": keys}
        self.create(secret)
