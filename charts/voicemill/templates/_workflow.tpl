{{/*
The generated workflows with this release's settings. Argo's own braces are data here: each file is parsed, its fields
are set, and it is written again; nothing of it is ever run through `tpl`.
*/}}

{{/* All generated workflows, parsed: a map of file name -> object, as JSON. */}}
{{- define "voicemill.workflows.generated" -}}
{{- $all := dict -}}
{{- range $path, $_ := .Files.Glob "workflows/*.yaml" }}
{{- $object := $.Files.Get $path | fromYaml }}
{{- if hasKey $object "Error" }}{{ fail (printf "%s: %s" $path $object.Error) }}{{ end }}
{{- $_ := set $all (base $path) $object }}
{{- end }}
{{- toRawJson $all }}
{{- end }}

{{/* Names in `stages` and `workflows.parameters` that no workflow has are mistakes. Takes root, workflows. */}}
{{- define "voicemill.workflows.check" -}}
{{- $stages := dict -}}
{{- $parameters := dict -}}
{{- range .workflows }}
{{- range .spec.templates }}{{ if .container }}{{ $_ := set $stages .name true }}{{ end }}{{ end }}
{{- range dig "arguments" "parameters" list .spec }}{{ $_ := set $parameters .name true }}{{ end }}
{{- end }}
{{- $renamed := .root.Files.Get "files/renamed.json" | fromJson }}
{{- range $name, $_ := .root.Values.stages }}
{{- if not (hasKey $stages $name) }}
{{- with get $renamed.stages $name }}{{ fail (printf "stages.%s: the stage is called %s now; rename the value" $name .) }}{{ end }}
{{- fail (printf "stages.%s: no workflow has such a stage; there are %s" $name (keys $stages | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- range $name, $_ := .root.Values.workflows.parameters }}
{{- if not (hasKey $parameters $name) }}
{{- with get $renamed.parameters $name }}{{ fail (printf "workflows.parameters.%s: the parameter is called %s now; rename the value" $name .) }}{{ end }}
{{- fail (printf "workflows.parameters.%s: no workflow has such a parameter; there are %s" $name (keys $parameters | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Set this release's settings in one workflow, in place. Takes root, workflow. */}}
{{- define "voicemill.workflow.set" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $metadata := .workflow.metadata -}}
{{- $spec := .workflow.spec -}}
{{- $_ := set $metadata "namespace" $root.Release.Namespace -}}
{{- $_ := set $metadata "labels" (merge (dict) ($metadata.labels | default dict) (include "voicemill.labels" $root | fromYaml)) -}}
{{- $_ := set $metadata "annotations" (merge (dict "voicemill.dev/image-pull-seconds" (toString (int $values.images.pullLimitSeconds))) ($metadata.annotations | default dict)) -}}
{{- $_ := set $spec "serviceAccountName" $values.serviceAccount.name -}}
{{- $_ := set $spec "securityContext" (include "voicemill.pod.security" $root | fromYaml) -}}
{{- $_ := set $spec "artifactRepositoryRef" (pick $values.artifactRepository "configMap" "key") -}}
{{- with $values.images.pullSecrets }}
{{- $references := list }}
{{- range . }}{{ $references = append $references (dict "name" .) }}{{ end }}
{{- $_ := set $spec "imagePullSecrets" $references }}
{{- end }}
{{- with $values.pods.priorityClassName }}{{ $_ := set $spec "podPriorityClassName" . }}{{ end }}

{{- $gc := mergeOverwrite (dict) ($spec.artifactGC | default dict) (dict "serviceAccountName" (printf "%s-gc" $values.serviceAccount.name)) }}
{{- include "voicemill.metadata.add" (dict "of" $gc "field" "podMetadata" "labels" $values.pods.labels "annotations" $values.pods.annotations) }}
{{- with $values.argo.executorResources }}
{{- $collector := $gc.podSpecPatch | fromJson }}
{{- range $collector.containers }}{{ $_ := set . "resources" (mergeOverwrite (dict) (.resources | default dict) $values.argo.executorResources) }}{{ end }}
{{- $_ := set $gc "podSpecPatch" (toRawJson $collector) }}
{{- end }}
{{- $_ := set $spec "artifactGC" $gc }}

{{- $labels := mergeOverwrite (dict) $values.workflows.labels }}
{{- with $values.argo.instanceID }}{{ $_ := set $labels "workflows.argoproj.io/controller-instanceid" . }}{{ end }}
{{- include "voicemill.metadata.add" (dict "of" $spec "field" "workflowMetadata" "labels" $labels "annotations" $values.workflows.annotations) }}
{{- include "voicemill.metadata.add" (dict "of" $spec "field" "podMetadata" "labels" $values.pods.labels "annotations" $values.pods.annotations) }}

{{- range $field, $seconds := $values.workflows.ttl }}
{{- if $seconds }}
{{- $_ := set $spec "ttlStrategy" (mergeOverwrite (dict) ($spec.ttlStrategy | default dict) (dict $field (int $seconds))) }}
{{- end }}
{{- end }}

{{- $models := include "voicemill.models.location" $root }}
{{- $places := include "voicemill.models.parameters" $spec | fromJson }}
{{- range dig "arguments" "parameters" list $spec }}
{{- if and $models (hasKey $places .name) }}{{ $_ := set . "value" $models }}{{ end }}
{{- if hasKey $values.workflows.parameters .name }}
{{- $value := get $values.workflows.parameters .name | toString }}
{{- if and .enum (not (has $value .enum)) }}
{{- fail (printf "workflows.parameters.%s: %q is not one of %s" .name $value (join ", " (without .enum ""))) }}
{{- end }}
{{- $_ := set . "value" $value }}
{{- end }}
{{- end }}
{{- range $spec.templates }}
{{- if .container }}
{{- include "voicemill.stage.set" (dict "root" $root "stage" .) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Add labels and annotations to a metadata field, in place. Takes of, field, labels, annotations. */}}
{{- define "voicemill.metadata.add" -}}
{{- $metadata := get .of .field | default dict -}}
{{- range $kind := list "labels" "annotations" }}
{{- with get $ $kind }}
{{- $_ := set $metadata $kind (mergeOverwrite (dict) (get $metadata $kind | default dict) .) }}
{{- end }}
{{- end }}
{{- if $metadata }}{{ $_ := set .of .field $metadata }}{{ end }}
{{- end }}
