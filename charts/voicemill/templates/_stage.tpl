{{/* Set this release's settings in one stage, a template with a container, in place. Takes root, stage. */}}
{{- define "voicemill.stage.set" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $stage := .stage -}}
{{- $container := .stage.container -}}
{{- $own := get $values.stages $stage.name | default dict -}}
{{- $patch := $stage.podSpecPatch | default "{}" | fromJson -}}
{{- $env := list -}}
{{- $class := include "voicemill.stage.class" (dict "root" $root "stage" $stage "own" $own) -}}
{{- range $container.env }}
{{- /* Where it is set, a stage does not compute on the CPU. */}}
{{- if or (and $class (not $values.gpu.fallBackToCpu)) (ne .name "VOICEMILL_GPU") }}{{ $env = append $env . }}{{ end }}
{{- end }}

{{- $_ := set $container "image" ($own.image | default (include "voicemill.image" (dict "root" $root "image" $container.image))) -}}
{{- $_ := set $container "imagePullPolicy" $values.images.pullPolicy -}}
{{- $_ := set $container "envFrom" (include "voicemill.envFrom" $root | fromYamlArray) -}}
{{- $env = concat $env (include "voicemill.s3.env" $root | fromYamlArray) -}}
{{- if eq $stage.name "run-batch" }}
{{- with $values.metrics.podMonitor }}
{{- if .enabled }}
{{- $env = append $env (dict "name" "VOICEMILL_METRICS_PORT" "value" (toString (int .port))) }}
{{- $_ := set $container "ports" (list (dict "name" "metrics" "containerPort" (int .port))) }}
{{- include "voicemill.metadata.add" (dict "of" $stage "field" "metadata" "labels" (dict "app.kubernetes.io/component" "conductor")) }}
{{- end }}
{{- end }}
{{- if $values.rbac.conductorEvents }}{{ $env = append $env (dict "name" "VOICEMILL_EVENTS" "value" "true") }}{{ end }}
{{- end }}
{{- range $name, $value := $own.env }}{{ $env = append $env (dict "name" $name "value" $value) }}{{ end }}
{{- if $env }}{{ $_ := set $container "env" $env }}{{ end }}

{{- with $own.cpu }}
{{- $_ := set $container.resources "requests" (mergeOverwrite ($container.resources.requests | default dict) (dict "cpu" (toString .))) }}
{{- end }}
{{- with $own.cpuLimit | default $values.pods.cpuLimit }}
{{- $_ := set $container.resources "limits" (mergeOverwrite ($container.resources.limits | default dict) (dict "cpu" (toString .))) }}
{{- end }}
{{- with $own.ephemeralStorage | default $values.pods.ephemeralStorage }}
{{- $disk := . }}
{{- range $kind := list "requests" "limits" }}
{{- $_ := set $container.resources $kind (mergeOverwrite (get $container.resources $kind | default dict) (dict "ephemeral-storage" $disk)) }}
{{- end }}
{{- end }}
{{- with $own.memory }}
{{- range $kind := list "requests" "limits" }}
{{- $_ := set $container.resources $kind (mergeOverwrite (get $container.resources $kind | default dict) (dict "memory" $own.memory)) }}
{{- end }}
{{- include "voicemill.stage.memory" (dict "stage" $stage.name "patch" $patch "memory" .) }}
{{- end }}

{{- /* An account of its own is called after the one of all stages. */}}
{{- with $stage.serviceAccountName }}
{{- $_ := set $stage "serviceAccountName" (printf "%s%s" $values.serviceAccount.name (trimPrefix "voicemill" .)) }}
{{- end }}
{{- $_ := set $stage "securityContext" (include "voicemill.pod.security" $root | fromYaml) }}
{{- include "voicemill.stage.executor" (dict "root" $root "patch" $patch) }}

{{- if $values.metrics.stages.enabled }}
{{- $_ := set $stage "metrics" (include "voicemill.stage.metrics" (dict "stage" $stage "class" $class) | fromYaml) }}
{{- end }}

{{- $placed := dict "root" $root "stage" $stage "own" $own "patch" $patch }}
{{- include "voicemill.stage.gpu" $placed }}
{{- include "voicemill.stage.place" $placed }}
{{- include "voicemill.stage.volumes" (dict "root" $root "stage" $stage) }}
{{- if $patch }}{{ $_ := set $stage "podSpecPatch" (toRawJson $patch) }}{{ end }}
{{- end }}

{{/* Argo's own containers: restricted or left as the controller makes them, and their resources. Takes root, patch. */}}
{{- define "voicemill.stage.executor" -}}
{{- $argo := .root.Values.argo -}}
{{- range $field, $name := dict "initContainers" "init" "containers" "wait" }}
{{- $others := list }}
{{- $own := dict "name" $name }}
{{- range get $.patch $field }}
{{- if ne .name $name }}{{ $others = append $others . }}{{ else if $argo.restrictExecutor }}{{ $own = . }}{{ end }}
{{- end }}
{{- with $argo.executorResources }}{{ $_ := set $own "resources" . }}{{ end }}
{{- if gt (len $own) 1 }}{{ $others = append $others $own }}{{ end }}
{{- if $others }}{{ $_ := set $.patch $field $others }}{{ else }}{{ $_ := unset $.patch $field }}{{ end }}
{{- end }}
{{- end }}

{{/* Let memory grow from another size after a kill. Takes stage, patch, memory. */}}
{{- define "voicemill.stage.memory" -}}
{{- $number := regexFind "^[0-9]+" .memory | int -}}
{{- $mebibytes := hasSuffix "Gi" .memory | ternary (mul $number 1024) $number -}}
{{- $main := dict -}}
{{- range .patch.containers }}{{ if eq .name "main" }}{{ $main = . }}{{ end }}{{ end }}
{{- range $kind := list "requests" "limits" }}
{{- $resources := dig "resources" $kind dict $main }}
{{- with $resources.memory }}
{{- if not (regexMatch "string\\([0-9]+ " .) }}
{{- fail (printf "stages.%s.memory: the stage's podSpecPatch does not say from what size memory grows: %s" $.stage .) }}
{{- end }}
{{- $_ := set $resources "memory" (regexReplaceAll "string\\([0-9]+ " . (printf "string(%d " $mebibytes)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* `training` or `inference` for a stage that has a GPU in this release, else empty. Takes root, stage, own. */}}
{{- define "voicemill.stage.class" -}}
{{- $memory := dig "metadata" "annotations" "voicemill.dev/gpu-memory" "" .stage -}}
{{- if and $memory .root.Values.gpu.enabled (ne (toString .own.gpu) "false") -}}
{{- get (dict "6Gi" "training" "4Gi" "inference") $memory | required (printf "%s asks for %s of GPU memory, which the chart has no class for" .stage.name $memory) -}}
{{- end -}}
{{- end }}

{{/* GPU, and where one with enough memory is. Takes root, stage, own, patch. */}}
{{- define "voicemill.stage.gpu" -}}
{{- $gpu := .root.Values.gpu -}}
{{- $stage := .stage -}}
{{- $class := include "voicemill.stage.class" . -}}
{{- $resources := $stage.container.resources | default dict -}}
{{- $count := dig "limits" "nvidia.com/gpu" "" $resources -}}
{{- range $kind := list "requests" "limits" }}
{{- with get $resources $kind }}{{ $_ := unset . "nvidia.com/gpu" }}{{ end }}
{{- end }}
{{- if $count }}
{{- $_ := unset $stage "affinity" }}
{{- $_ := unset $stage "tolerations" }}
{{- end }}
{{- if $class }}
{{- $least := .own.minMemoryMiB | default (get $gpu $class).minMemoryMiB | int }}
{{- $more := dict }}
{{- if not .own.minMemoryMiB }}
{{- $more = dig "metadata" "annotations" "voicemill.dev/more-gpu-memory" "{}" $stage | fromJson }}
{{- end }}
{{- if and $more (ne $more.memory "8Gi") }}{{ fail (printf "%s asks for %s of GPU memory, which the chart has no class for" $stage.name $more.memory) }}{{ end }}
{{- if eq $gpu.select "claim" }}
{{- $name := include "voicemill.gpu.claim" (dict "root" .root "mebibytes" $least) }}
{{- if $more }}
{{- $larger := include "voicemill.gpu.claim" (dict "root" .root "mebibytes" (int $gpu.lora.minMemoryMiB)) }}
{{- $name = include "voicemill.stage.choose" (dict "when" $more "more" $larger "otherwise" $name) }}
{{- end }}
{{- $_ := set $resources "claims" (list (dict "name" "gpu")) }}
{{- $claims := list (dict "name" "gpu" "resourceClaimTemplateName" $name) }}
{{- if $gpu.claim.typed }}{{ $_ := set $stage "resourceClaims" $claims }}{{ else }}{{ $_ := set .patch "resourceClaims" $claims }}{{ end }}
{{- else }}
{{- range $kind := list "requests" "limits" }}
{{- $_ := set $resources $kind (mergeOverwrite (get $resources $kind | default dict) (dict ((get $gpu $class).resource | default $gpu.resource) $count)) }}
{{- end }}
{{- if eq $gpu.select "label" }}
{{- $floor := toString $least }}
{{- with $more }}
{{- $floor = include "voicemill.stage.choose" (dict "when" . "more" (int $gpu.lora.minMemoryMiB) "otherwise" $least) }}
{{- end }}
{{- $expression := dict "key" $gpu.memoryLabel "operator" "Gt" "values" (list $floor) }}
{{- $term := dict "matchExpressions" (list $expression) }}
{{- $required := dict "nodeSelectorTerms" (list $term) }}
{{- $_ := set $stage "affinity" (dict "nodeAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" $required)) }}
{{- end }}
{{- end }}
{{- if $gpu.retryOnAnotherNode }}
{{- $_ := set $stage "retryStrategy" (mergeOverwrite (dict) $stage.retryStrategy (dict "affinity" (dict "nodeAntiAffinity" dict))) }}
{{- end }}
{{- with $gpu.runtimeClassName }}{{ $_ := set $.patch "runtimeClassName" . }}{{ end }}
{{- with $gpu.queue.name }}
{{- include "voicemill.metadata.add" (dict "of" $stage "field" "metadata" "labels" (dict $gpu.queue.label .)) }}
{{- with $gpu.queue.priorityClass }}
{{- include "voicemill.metadata.add" (dict "of" $stage "field" "metadata" "labels" (dict "kueue.x-k8s.io/priority-class" .)) }}
{{- end }}
{{- end }}
{{- if (get $gpu $class).slots }}
{{- $semaphore := dict "configMapKeyRef" (dict "name" "voicemill-slots" "key" (printf "gpu-%s" $class)) }}
{{- $held := dig "synchronization" "semaphores" list $stage }}
{{- $_ := set $stage "synchronization" (mergeOverwrite ($stage.synchronization | default dict) (dict "semaphores" (append $held $semaphore))) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Argo's tag that chooses between two texts by a parameter. Takes when (parameter, values), more, otherwise. */}}
{{- define "voicemill.stage.choose" -}}
{{- printf "{{=inputs.parameters['%s'] in ['%s'] ? '%v' : '%v'}}" .when.parameter (join "', '" .when.values) .more .otherwise -}}
{{- end }}

{{/* Nodes, taints and priority. Takes root, stage, own. */}}
{{- define "voicemill.stage.place" -}}
{{- $values := .root.Values -}}
{{- $class := include "voicemill.stage.class" . -}}
{{- $selector := mergeOverwrite (dict) (.stage.nodeSelector | default dict) $values.pods.nodeSelector -}}
{{- $tolerations := concat (.stage.tolerations | default list) $values.pods.tolerations -}}
{{- $priority := "" -}}
{{- if $class }}
{{- $selector = mergeOverwrite $selector $values.gpu.nodeSelector }}
{{- $tolerations = concat $tolerations $values.gpu.tolerations }}
{{- $priority = $values.gpu.priorityClassName }}
{{- end }}
{{- with mergeOverwrite $selector (.own.nodeSelector | default dict) }}{{ $_ := set $.stage "nodeSelector" . }}{{ end }}
{{- with concat $tolerations (.own.tolerations | default list) | uniq }}{{ $_ := set $.stage "tolerations" . }}{{ end }}
{{- with .own.priorityClassName | default $priority }}{{ $_ := set $.stage "priorityClassName" . }}{{ end }}
{{- end }}

{{/* The volumes that values ask for. Takes root, stage. */}}
{{- define "voicemill.stage.volumes" -}}
{{- $values := .root.Values -}}
{{- $volumes := .stage.volumes | default list -}}
{{- $mounts := .stage.container.volumeMounts | default list -}}
{{- $places := include "voicemill.models.parameters" (dict "templates" (list .stage)) | fromJson -}}
{{- with include "voicemill.models.location" .root }}
{{- $location := . }}
{{- /* For whoever calls the stage by itself; the workflows say it. */}}
{{- range $.stage.inputs.parameters }}{{ if hasKey $places .name }}{{ $_ := set . "default" $location }}{{ end }}{{ end }}
{{- end }}
{{- if and $places (has $values.models.from (list "claim" "image")) }}
{{- $source := dict }}
{{- if eq $values.models.from "claim" }}
{{- $source = dict "persistentVolumeClaim" (dict "claimName" $values.models.claim.name) }}
{{- else }}
{{- $source = dict "image" (pick $values.models.image "reference" "pullPolicy") }}
{{- end }}
{{- $volumes = append $volumes (merge (dict "name" "models") $source) }}
{{- $mounts = append $mounts (dict "name" "models" "mountPath" $values.models.mountPath "readOnly" (not (has "writes" (values $places)))) }}
{{- end }}
{{- with $values.models.cache.hostPath }}
{{- if ne $values.models.from "s3" }}{{ fail "models.cache.hostPath: only models from S3 are kept on nodes; set models.from=s3" }}{{ end }}
{{- if $values.namespace.create }}{{ fail "models.cache.hostPath: the Pod Security levels of namespace.podSecurity allow no hostPath; make the namespace yourself" }}{{ end }}
{{- if has "reads" (values $places) }}
{{- $volumes = append $volumes (dict "name" "models-cache" "hostPath" (dict "path" . "type" "DirectoryOrCreate")) }}
{{- $mounts = append $mounts (dict "name" "models-cache" "mountPath" "/var/cache/voicemill-models") }}
{{- $_ := set $.stage.container "env" (append ($.stage.container.env | default list) (dict "name" "VOICEMILL_MODELS_CACHE" "value" "/var/cache/voicemill-models")) }}
{{- end }}
{{- end }}
{{- with $values.s3.ca.secretName }}
{{- $volumes = append $volumes (dict "name" "s3-ca" "secret" (dict "secretName" .)) }}
{{- $mounts = append $mounts (dict "name" "s3-ca" "mountPath" "/etc/voicemill/s3" "readOnly" true) }}
{{- end }}
{{- if $volumes }}{{ $_ := set .stage "volumes" $volumes }}{{ end }}
{{- if $mounts }}{{ $_ := set .stage.container "volumeMounts" $mounts }}{{ end }}
{{- end }}
