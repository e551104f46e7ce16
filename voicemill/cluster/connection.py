"""The cluster that the environment names: by Argo's server where one is configured, else by the Kubernetes API.

Argo's server is configured as for Argo's own command line: ARGO_SERVER (host:port), ARGO_TOKEN, ARGO_NAMESPACE,
ARGO_SECURE, ARGO_INSECURE_SKIP_VERIFY. The Kubernetes API is found by KUBECONFIG or, in a pod, by its service account.
"""

from __future__ import annotations

import os

from voicemill.cluster.api import Api
from voicemill.cluster.argo_server import ArgoServer
from voicemill.cluster.kube import Kube


def connect(namespace: str | None = None) -> Api:
    """Return the cluster that the environment names.

    Args:
        namespace: Where the runs are; by default ARGO_NAMESPACE, else the kubeconfig's, else `default`.

    Raises:
        NotConfigured: The environment names none.
    """
    if os.environ.get("ARGO_SERVER"):
        return ArgoServer(namespace)
    return Kube(namespace)
