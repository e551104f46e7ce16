"""What a pod costs beside its stage's own work: python -m benchmarks.pods RUN [--namespace NS]

Reads the pods of a run that has ended (on the cluster of $KUBECONFIG, before they are collected); prints, in seconds:

  before    from the pod's creation until its stage started: scheduling, pulling the image, artifacts from S3
  stage     the stage's own time
  after     from the stage's end until its pod had ended: artifacts to S3, the report to the controller
  next      from there until the first pod that came later was made: the controller; empty where two ran side by side
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table


def main(run: str, namespace: Annotated[str | None, typer.Option("--namespace", "-n")] = None) -> None:
    from voicemill.cluster.kube import Kube

    kube = Kube(namespace)
    pods: Any = kube.core.list_namespaced_pod(kube.namespace, label_selector=f"workflows.argoproj.io/workflow={run}")
    rows = sorted((found for pod in pods.items if (found := _times(pod))), key=lambda row: row[1])
    if not rows:
        raise typer.BadParameter(f"{run} has no pod that has ended: they are deleted when a run has succeeded")
    table = Table("stage", "before", "stage's own", "after", "next")
    sums = [0.0, 0.0, 0.0, 0.0]
    for (name, made, started, ended, over), (_, later, *_) in zip(rows, [*rows[1:], ("", None)], strict=True):
        gap = (later - over).total_seconds() if later and later > over else None
        spans = [(started - made).total_seconds(), (ended - started).total_seconds(), (over - ended).total_seconds()]
        table.add_row(name, *(f"{span:.0f}" for span in spans), "" if gap is None else f"{gap:.0f}")
        sums = [total + span for total, span in zip(sums, [*spans, gap or 0.0], strict=True)]
    table.add_section()
    table.add_row("all", *(f"{total:.0f}" for total in sums))
    Console().print(table)


def _times(pod: Any) -> tuple[str, Any, Any, Any, Any] | None:
    ended = {
        each.name: each.state.terminated
        for each in pod.status.container_statuses or []
        if each.state and each.state.terminated
    }
    if "main" not in ended or "wait" not in ended:
        return None
    main = ended["main"]
    name = pod.metadata.annotations["workflows.argoproj.io/node-name"].partition(".")[2]
    return name, pod.metadata.creation_timestamp, main.started_at, main.finished_at, ended["wait"].finished_at


if __name__ == "__main__":
    typer.run(main)
