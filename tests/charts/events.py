"""What Argo Events does with an event by a rendered Sensor: filters, parameters, and the object that it creates.

Templates and regular expressions are evaluated by Go, as there: Helm has the same template engine and functions.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml

from tests.charts.helm import Helm, Json

_PROBE = """
passes: {{ $passes := true }}{{ range .Values.checks }}{{ $text := .text }}
{{- if .template }}{{ $text = tpl .template (dict "Input" .text "Template" $.Template) }}{{ end }}
{{- $one := false }}{{ range .value }}{{ if regexMatch . $text }}{{ $one = true }}{{ end }}{{ end }}
{{- if not $one }}{{ $passes = false }}{{ end }}{{ end }}{{ $passes }}
values:
{{- if $passes }}{{ range .Values.parameters }}
  - {{ tpl . (dict "Input" $.Values.event "Template" $.Template) | toJson }}
{{- end }}{{ end }}
"""


class Sensor:
    """A Sensor of the chart.

    Args:
        helm: Evaluates Go's templates.
        sensor: The rendered object.
        folder: For a chart that holds nothing but what is evaluated.
    """

    def __init__(self, helm: Helm, sensor: Json, folder: Path) -> None:
        self.helm = helm
        self.spec = sensor["spec"]
        self.folder = folder
        (folder / "templates").mkdir(parents=True)
        (folder / "Chart.yaml").write_text("apiVersion: v2\nname: probe\nversion: 0.0.1\n")
        (folder / "templates" / "probe.yaml").write_text(_PROBE)

    def create(self, dependency: str, event: Json) -> Json | None:
        """The object that an event of a dependency makes, or None where a filter keeps it off."""
        (waiting,) = [each for each in self.spec["dependencies"] if each["name"] == dependency]
        (trigger,) = [each for each in self.spec["triggers"] if each["template"]["conditions"] == dependency]
        checks = []
        for each in waiting["filters"]["data"]:
            found = at(event, each["path"])
            if found is None:
                return None
            text = found if isinstance(found, str) else json.dumps(found)
            checks.append({"text": text, "template": each.get("template", ""), "value": each["value"]})
        parameters = trigger["template"]["k8s"]["parameters"]
        templates = [each["src"]["dataTemplate"] for each in parameters]
        values = self.folder / "values.json"
        values.write_text(json.dumps({"checks": checks, "parameters": templates, "event": event}))
        done = self.helm.run("template", str(self.folder), "--values", str(values))
        assert done.returncode == 0, done.stderr
        told = yaml.safe_load(done.stdout)
        if not told["passes"]:
            return None
        made = copy.deepcopy(trigger["template"]["k8s"]["source"]["resource"])
        for parameter, value in zip(parameters, told["values"], strict=True):
            *path, last = parameter["dest"].split(".")
            at(made, ".".join(path))[last] = value
        return made


def at(node: Any, path: str) -> Any:
    """What lies at a path with dots, numbers counting a list's items; None where nothing does."""
    for key in path.split("."):
        if isinstance(node, list):
            node = node[int(key)] if key.isdigit() and int(key) < len(node) else None
        else:
            node = node.get(key) if isinstance(node, dict) else None
    return node
