{{/* Labels of a Workflow object of build-voice: those that the controller and `voicemill status` choose by. */}}
{{- define "voicemill.build.labels" -}}
app.kubernetes.io/name: build-voice
app.kubernetes.io/part-of: voicemill
{{- with .Values.argo.instanceID }}
workflows.argoproj.io/controller-instanceid: {{ . | quote }}
{{- end }}
{{- end }}

{{/*
What a Workflow of build-voice does, with parameters that are held against those of the workflow. Takes root, where (the
value's path), parameters, and filled: names of parameters that are filled in later, which come first.
*/}}
{{- define "voicemill.build.spec" -}}
{{- $where := .where -}}
{{- $given := .parameters | default dict -}}
{{- $filled := .filled | default list -}}
{{- $workflow := get (include "voicemill.workflows.generated" .root | fromJson) "build_voice.yaml" -}}
{{- include "voicemill.workflow.set" (dict "root" .root "workflow" $workflow) -}}
{{- $renamed := .root.Files.Get "files/renamed.json" | fromJson -}}
{{- $declared := dict -}}
{{- range $workflow.spec.arguments.parameters }}{{ $_ := set $declared .name . }}{{ end -}}
{{- range $name, $value := $given }}
{{- $parameter := get $declared $name }}
{{- if or (not $parameter) (has $name $filled) }}
{{- with get $renamed.parameters $name }}{{ fail (printf "%s.%s: the parameter is called %s now; rename it" $where $name .) }}{{ end }}
{{- $open := without (keys $declared | sortAlpha) (toStrings $filled) }}
{{- fail (printf "%s.%s: build-voice takes no such parameter here; it takes %s" $where $name (join ", " $open)) }}
{{- end }}
{{- if and $parameter.enum (not (has (toString $value) $parameter.enum)) }}
{{- fail (printf "%s.%s: %q is not one of %s" $where $name (toString $value) (join ", " (without $parameter.enum ""))) }}
{{- end }}
{{- end }}
{{- range $name, $parameter := $declared }}
{{- if not (or (hasKey $parameter "value") (hasKey $given $name) (has $name $filled)) }}
{{- fail (printf "%s: build-voice needs %s; give it there or in workflows.parameters" $where $name) }}
{{- end }}
{{- end -}}
workflowTemplateRef: {name: {{ $workflow.metadata.name }}}
arguments:
  parameters:
    {{- range $filled }}
    - {name: {{ . }}, value: ""}
    {{- end }}
    {{- range $name, $value := $given }}
    - {name: {{ $name }}, value: {{ toString $value | quote }}}
    {{- end }}
{{- end }}
