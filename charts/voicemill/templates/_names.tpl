{{/* Labels of every object of the chart. */}}
{{- define "voicemill.labels" -}}
app.kubernetes.io/name: voicemill
app.kubernetes.io/part-of: voicemill
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Name and labels of an object. Takes root, name. */}}
{{- define "voicemill.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "voicemill.labels" .root | nindent 2 }}
{{- end }}

{{/* The published image of a stage, as the generated YAML names it, with registry and tag. Takes root, image. */}}
{{- define "voicemill.image" -}}
{{- $images := .root.Values.images -}}
{{- $name := .image | splitList "/" | last | splitList ":" | first -}}
{{- $tag := $images.tag | default .root.Chart.AppVersion -}}
{{- $registry := $images.registry | trimSuffix "/" -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ $name }}:{{ $tag }}
{{- end }}

{{/* Host and port of the S3 server, as Argo wants them. */}}
{{- define "voicemill.s3.host" -}}
{{- with .Values.s3.endpoint }}{{ (urlParse .).host }}{{ else }}s3.{{ .Values.s3.region }}.amazonaws.com{{ end }}
{{- end }}

{{/* Port of the S3 server. */}}
{{- define "voicemill.s3.port" -}}
{{- $host := include "voicemill.s3.host" . -}}
{{- if .Values.networkPolicy.s3.port }}{{ .Values.networkPolicy.s3.port }}
{{- else if regexMatch ":[0-9]+$" $host }}{{ regexFind "[0-9]+$" $host }}
{{- else }}{{ hasPrefix "http://" .Values.s3.endpoint | ternary 80 443 }}
{{- end }}
{{- end }}

{{/* Where a pod's environment comes from: settings, and credentials under boto3's names. */}}
{{- define "voicemill.envFrom" -}}
- configMapRef: {name: {{ .Values.settings.configMap }}, optional: true}
{{- if and (eq .Values.s3.credentials "secret") (eq (include "voicemill.s3.renamed" .) "") }}
- secretRef: {name: {{ .Values.s3.secret.name }}, optional: true}
{{- end }}
{{- end }}

{{/* Not empty where the Secret's keys are not the names of the environment variables. */}}
{{- define "voicemill.s3.renamed" -}}
{{- with .Values.s3 }}
{{- if and (eq .credentials "secret") (or (ne .secret.accessKey "AWS_ACCESS_KEY_ID") (ne .secret.secretKey "AWS_SECRET_ACCESS_KEY")) }}renamed{{ end }}
{{- end }}
{{- end }}

{{/* What the environment needs besides: credentials under other names, the certificate authority. */}}
{{- define "voicemill.s3.env" -}}
{{- with .Values.s3 }}
{{- if include "voicemill.s3.renamed" $ }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ .secret.name }}, key: {{ .secret.accessKey }}}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ .secret.name }}, key: {{ .secret.secretKey }}}}
{{- end }}
{{- if .ca.secretName }}
- {name: AWS_CA_BUNDLE, value: /etc/voicemill/s3/{{ .ca.key }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Security context of every pod. */}}
{{- define "voicemill.pod.security" -}}
runAsNonRoot: true
{{- with .Values.pods.user }}
runAsUser: {{ int . }}
runAsGroup: {{ int . }}
fsGroup: {{ int . }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Resources of a pod that is no stage's, with the limits that namespaces with quotas want. Takes root, resources. */}}
{{- define "voicemill.resources" -}}
{{- $resources := deepCopy .resources }}
{{- $limits := dict }}
{{- with .root.Values.pods.cpuLimit }}{{ $_ := set $limits "cpu" (toString .) }}{{ end }}
{{- with .root.Values.pods.ephemeralStorage }}{{ $_ := set $limits "ephemeral-storage" (toString .) }}{{ end }}
{{- if $limits }}
{{- $_ := set $resources "limits" (mergeOverwrite (dict) $limits ($resources.limits | default dict)) }}
{{- end }}
{{- toYaml $resources }}
{{- end }}
