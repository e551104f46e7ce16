"""A real Kueue on the cluster under test: its manager as a process of this machine, on loopback.

It manages the pods of some namespaces alone, and takes all that it brought to the cluster away again.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubernetes.client import ApiException
from kubernetes.dynamic.exceptions import DynamicApiError, NotFoundError

from tests.cluster.kube import Cluster, Namespace, Object
from voicemill.cluster.queues import GROUP

API = f"{GROUP}/v1beta2"
LABEL = "voicemill.dev/test-of-kueue"
"""Of the namespaces in which Kueue sees pods."""
_CERTIFICATES = Path("/etc/kueue/metrics/certs")
"""Folder from which the manager reads the certificate of its metrics endpoint; the path cannot be configured."""
_OURS = ("", GROUP)


@contextmanager
def managing(cluster: Cluster, folder: Path) -> Iterator[None]:
    """Run Kueue for the namespaces that have the label.

    Args:
        cluster: The cluster.
        folder: For its configuration, certificate and log.
    """
    program, definitions = os.environ.get("KUEUE_BIN"), os.environ.get("KUEUE_CONFIG")
    if not program or not definitions:
        pytest.skip("needs Kueue's manager ($KUEUE_BIN) and the folder `config` of its module ($KUEUE_CONFIG)")
    if not os.access("/etc", os.W_OK) or _CERTIFICATES.exists():
        pytest.skip(f"needs to put Kueue's certificate into {_CERTIFICATES}, which is not there yet")
    authority = _certificate(folder / "certificates")
    port = _free_port()
    brought = [*_objects(Path(definitions, "components", "crd", "bases"))]
    hooks = [_here(each, port, authority) for each in _objects(Path(definitions, "components", "webhook"))]
    settings = folder / "kueue.yaml"
    settings.write_text(yaml.safe_dump(_settings(port, folder / "certificates")))
    _CERTIFICATES.parent.mkdir(parents=True)
    _CERTIFICATES.symlink_to(folder / "certificates")
    log = (folder / "kueue.log").open("wb")
    process = None
    try:
        for each in brought:
            cluster.resource(each).create(body=each)
        wait_for(lambda: _are_established(cluster, brought), seconds=120)
        process = subprocess.Popen([program, "--config", str(settings)], stdout=log, stderr=log)
        wait_for(lambda: _listens(port) or process.poll() is not None, seconds=120)
        assert process.poll() is None, (folder / "kueue.log").read_text()[-3000:]
        for each in hooks:
            cluster.resource(each).create(body=each)
        yield
    finally:
        for each in hooks:
            _delete(cluster, each)
        if process:
            process.terminate()
            process.wait(60)
        for each in brought:
            _delete(cluster, each)
        log.close()
        _CERTIFICATES.unlink()
        _CERTIFICATES.parent.rmdir()
        _CERTIFICATES.parent.parent.rmdir()


@contextmanager
def namespace(cluster: Cluster, hint: str) -> Iterator[Namespace]:
    """A namespace in which Kueue sees pods; when it ends, Kueue has let go of all that was in it."""
    with cluster.namespace(hint) as made:
        cluster.core.patch_namespace(made.name, {"metadata": {"labels": {LABEL: "true"}}})
        yield made
    wait_for(lambda: not _is_there(cluster, made.name), seconds=180)


@contextmanager
def created(cluster: Cluster, *objects: Object) -> Iterator[None]:
    """Objects of the whole cluster, gone when the block has ended."""
    for each in objects:
        # Until its webhooks answer, Kueue's kinds are refused.
        wait_for(lambda each=each: _create(cluster, each), seconds=60)
    try:
        yield
    finally:
        for each in reversed(objects):
            _delete(cluster, each)


def local_queue(name: str, cluster_queue: str) -> Object:
    return {
        "apiVersion": API,
        "kind": "LocalQueue",
        "metadata": {"name": name},
        "spec": {"clusterQueue": cluster_queue},
    }


def wait_for(condition: Any, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it took over {seconds} s"
        time.sleep(0.5)


def _settings(port: int, certificates: Path) -> Object:
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": f"127.0.0.1:{_free_port()}"},
        "metrics": {"bindAddress": f"127.0.0.1:{_free_port()}"},
        "webhook": {"host": "127.0.0.1", "port": port, "certDir": str(certificates)},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "featureGates": {"VisibilityOnDemand": False},
        "managedJobsNamespaceSelector": {"matchLabels": {LABEL: "true"}},
        "integrations": {"frameworks": ["pod"]},
    }


def _objects(folder: Path) -> Iterator[Object]:
    for file in sorted(folder.glob("*.yaml")):
        for each in yaml.load_all(file.read_text(), yaml.CSafeLoader):
            if each and each.get("kind", "").endswith(("Definition", "WebhookConfiguration")):
                yield each


def _here(hooks: Object, port: int, authority: bytes) -> Object:
    """Webhooks of pods and of Kueue's own kinds, at this machine's address, for the namespaces of the test."""
    kept: list[Object] = []
    for hook in hooks["webhooks"]:
        (rule,) = hook["rules"]
        if rule["apiGroups"][0] not in _OURS:
            continue
        address = f"https://127.0.0.1:{port}{hook['clientConfig']['service']['path']}"
        client = {"url": address, "caBundle": base64.b64encode(authority).decode()}
        kept.append({**hook, "clientConfig": client, "namespaceSelector": {"matchLabels": {LABEL: "true"}}})
    return {**hooks, "metadata": {"name": f"voicemill-test-{hooks['metadata']['name']}"}, "webhooks": kept}


def _certificate(folder: Path) -> bytes:
    """Make a key and a certificate for 127.0.0.1 that is its own authority; gives the certificate."""
    folder.mkdir()
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kueue under test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM)
    (folder / "tls.crt").write_bytes(text)
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "tls.key").write_bytes(key.private_bytes(*private))
    return text


def _create(cluster: Cluster, item: Object) -> bool:
    try:
        cluster.resource(item).create(body=item)
    except DynamicApiError as error:
        if error.status == 500 and "webhook" in str(error.body):
            return False
        raise
    return True


def _delete(cluster: Cluster, item: Object) -> None:
    kind, name = cluster.resource(item), item["metadata"]["name"]
    with suppress(NotFoundError):
        kind.delete(name=name)
        wait_for(lambda: not kind.get(field_selector=f"metadata.name={name}").items, seconds=60)


def _is_there(cluster: Cluster, name: str) -> bool:
    try:
        cluster.core.read_namespace(name)
    except ApiException as error:
        if error.status == 404:
            return False
        raise
    return True


def _are_established(cluster: Cluster, definitions: list[Object]) -> bool:
    """Whether the API server serves the kinds of resource definitions."""
    kind, names = cluster.resource(definitions[0]), {each["metadata"]["name"] for each in definitions}
    for each in kind.get().to_dict()["items"]:
        conditions = (each.get("status") or {}).get("conditions") or []
        if any(found["type"] == "Established" and found["status"] == "True" for found in conditions):
            names.discard(each["metadata"]["name"])
    return not names


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
