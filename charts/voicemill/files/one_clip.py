"""Submit the workflow in a file, follow it to its end and say how it ended: what `helm test` runs in its pod.

Only the standard library, so that any image with Python will do. Exit code 0 if the workflow succeeded, else 1.

    python one_clip.py WORKFLOW.json SECONDS
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from typing import Any

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
POLL_SECONDS = 2


def call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the API server, as the pod's service account.

    Raises:
        SystemExit: if the server refuses, with what it says.
    """
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    with open(f"{ACCOUNT}/token") as token:
        headers = {"Authorization": f"Bearer {token.read()}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"https://{host}:{port}{path}", data=data, headers=headers, method=method)
    try:
        trust = ssl.create_default_context(cafile=f"{ACCOUNT}/ca.crt")
        with urllib.request.urlopen(request, timeout=30, context=trust) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}")


def follow(namespace: str, name: str, seconds: float) -> dict[str, Any]:
    """The workflow's status once it has ended, or as it is when the time is over; prints what happens to its pods."""
    deadline = time.monotonic() + seconds
    printed: set[str] = set()
    while True:
        status = call("GET", f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows/{name}").get("status", {})
        nodes = [node for node in status.get("nodes", {}).values() if node["type"] == "Pod"]
        lines = [f"{node['displayName']}: {node['phase']} {node.get('message', '')}".rstrip() for node in nodes]
        # Why a pod does not start: no node, no image, no Secret.
        events = call("GET", f"/api/v1/namespaces/{namespace}/events?fieldSelector=type%3DWarning")["items"]
        lines += [event["message"] for event in events if event["involvedObject"].get("name", "").startswith(name)]
        for line in lines:
            if line not in printed:
                printed.add(line)
                print(line, flush=True)
        if status.get("finishedAt") or time.monotonic() > deadline:
            return status
        time.sleep(POLL_SECONDS)


def main(file: str, seconds: str) -> None:
    with open(file) as text:
        workflow = json.load(text)
    namespace = workflow["metadata"]["namespace"]
    workflows = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows"
    name = call("POST", workflows, workflow)["metadata"]["name"]
    print(f"submitted {name}", flush=True)
    status = follow(namespace, name, float(seconds))
    if "phase" not in status:
        sys.exit(f"no controller took {name} up: is Argo's workflow controller running, and watching this namespace?")
    if not status.get("finishedAt"):
        sys.exit(f"{name} is still {status['phase']} after {seconds} s: {status.get('message', 'see its pods')}")
    print(f"{name}: {status['phase']} {status.get('message', '')}".rstrip())
    if status["phase"] != "Succeeded":
        sys.exit(1)
    call("DELETE", f"{workflows}/{name}")  # its artifacts go with it


if __name__ == "__main__":
    main(*sys.argv[1:])
