{{/*
What Argo's controller tells Prometheus of a stage, under names that begin with `argo_workflows_` there. Takes stage, class.
No label has a speaker or a run: each would be a series for ever.
*/}}
{{- define "voicemill.stage.metrics" -}}
{{- $name := .stage.name -}}
{{- $figures := list "accuracy" "bytes" "chapters" "dropped" "edited" "epochs" "error_rate" "failing" "flagged" "kept" "lines" "loss" "loss_mel" "mended" "not_spoken" "perplexity" "seconds" "similarity" "speakers" "spoken" "unfixable" -}}
prometheus:
  - name: voicemill_stage_seconds
    help: Seconds that a stage ran, by how it ended
    labels: [{key: stage, value: {{ $name }}}, {key: status, value: "{{ `{{status}}` }}"}]
    histogram: {buckets: [10, 60, 300, 900, 1800, 3600, 7200, 21600, 86400], value: "{{ `{{duration}}` }}"}
  - name: voicemill_stage_failures
    help: Stages that failed, by exit code
    when: "{{ `{{status}}` }} != Succeeded"
    labels: [{key: stage, value: {{ $name }}}, {key: exit_code, value: "{{ `{{exitCode}}` }}"}]
    counter: {value: "1"}
  {{- with .class }}
  - name: voicemill_gpu_seconds
    help: Seconds that pods held a GPU, by class
    labels: [{key: stage, value: {{ $name }}}, {key: class, value: {{ . }}}]
    counter: {value: "{{ `{{duration}}` }}"}
  {{- end }}
  {{- range .stage.outputs.parameters }}
  {{- if has (.name | replace "-" "_") $figures }}
  - name: voicemill_stage_figure
    help: A figure of the last stage that succeeded
    when: "{{ `{{status}}` }} == Succeeded"
    labels: [{key: stage, value: {{ $name }}}, {key: figure, value: {{ .name }}}]
    gauge: {realtime: false, value: "{{ printf "{{outputs.parameters.%s}}" .name }}"}
  {{- if eq .name "seconds" }}
  - name: voicemill_speech_seconds
    help: Seconds of speech that stages kept
    when: "{{ `{{status}}` }} == Succeeded"
    labels: [{key: stage, value: {{ $name }}}]
    counter: {value: "{{ `{{outputs.parameters.seconds}}` }}"}
  {{- end }}
  {{- end }}
  {{- end }}
{{- end }}
