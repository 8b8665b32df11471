{{/* Begin of all names. */}}
{{- define "lockstep.fullname" -}}
{{- $name := .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-lockstep" .Release.Name) (contains "lockstep" .Release.Name)) -}}
{{- $name | trunc 30 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels by which a component is selected: they never change. Takes root, component. */}}
{{- define "lockstep.selector" -}}
app.kubernetes.io/name: lockstep
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* All labels of an object. Takes root, component. */}}
{{- define "lockstep.labels" -}}
{{ include "lockstep.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{/* topics.yaml as it is mounted: order and comments stay, since the order of lanes is their number. */}}
{{- define "lockstep.topology" -}}
{{- $text := .Values.topology | default (.Files.Get "files/topics.yaml") -}}
{{- with .Values.partitions }}{{ $text = regexReplaceAll "(?m)^partitions:.*$" $text (printf "partitions: %d" (int .)) }}{{ end -}}
{{- with .Values.replication }}{{ $text = regexReplaceAll "(?m)^replication:.*$" $text (printf "replication: %d" (int .)) }}{{ end -}}
{{- $text -}}
{{- end -}}

{{/* Schemas of payloads by event type, as JSON: those given, else those of the chart's own topology. */}}
{{- define "lockstep.schemas" -}}
{{- $schemas := .Values.schemas -}}
{{- if not (or $schemas .Values.topology) -}}
{{- $schemas = dict -}}
{{- range $path, $_ := .Files.Glob "files/schemas/*.json" }}{{ $_ := set $schemas (base $path | trimSuffix ".json") ($.Files.Get $path) }}{{ end -}}
{{- end -}}
{{- toJson $schemas -}}
{{- end -}}

{{/* What holds for one worker, as YAML. Takes root, worker. */}}
{{- define "lockstep.worker" -}}
{{- mergeOverwrite (deepCopy .root.Values.worker) (deepCopy (get .root.Values.workers .worker | default dict)) | toYaml -}}
{{- end -}}

{{/* Topics that a worker reads, without prefix, as {"topics": [...]}. Takes topology, worker. */}}
{{- define "lockstep.inputs" -}}
{{- $topology := .topology -}}
{{- $spec := index $topology.workers .worker -}}
{{- $topics := list -}}
{{- range $stage := $spec.stages -}}
{{- $pattern := (index $topology.stages $stage).reads -}}
{{- range $lane := (contains "{lane}" $pattern | ternary ($spec.lanes | default (keys $topology.lanes | sortAlpha)) (list "")) -}}
{{- range $platform := (contains "{platform}" $pattern | ternary ($spec.platforms | default (keys $topology.platforms | sortAlpha)) (list "")) -}}
{{- $topics = append $topics ($pattern | replace "{lane}" $lane | replace "{platform}" $platform) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "topics" ($topics | uniq) | toJson -}}
{{- end -}}

{{/* The consumer group of a worker. Takes root, worker. */}}
{{- define "lockstep.group" -}}
{{ .root.Values.config.topic_prefix | default "" }}{{ .worker }}
{{- end -}}

{{/* Labels of the series of this release, as the PodMonitor makes them. */}}
{{- define "lockstep.series" -}}
namespace="{{ .Release.Namespace }}",release="{{ .Release.Name }}"
{{- end -}}

{{/* A setting as text: numbers as JSON writes them, without exponent. */}}
{{- define "lockstep.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{/* The variables that all processes share. */}}
{{- define "lockstep.environment" -}}
LOCKSTEP_CONSOLE__HOST: 0.0.0.0
LOCKSTEP_CONSOLE__PORT: "8088"
LOCKSTEP_DATA_DIR: /data
LOCKSTEP_EDGE__HOST: 0.0.0.0
LOCKSTEP_EDGE__PORT: "8080"
LOCKSTEP_EDGE__PUSH_HOST: 0.0.0.0
LOCKSTEP_EDGE__PUSH_PORT: "8081"
LOCKSTEP_HEALTH__HOST: 0.0.0.0
LOCKSTEP_HEALTH__PORT: "9090"
LOCKSTEP_TOKENS__KEYS: /etc/lockstep/tokens/public.jwks
LOCKSTEP_TOPOLOGY: /etc/lockstep/topology/topics.yaml
{{- range $group, $settings := .Values.config }}
{{- if kindIs "map" $settings }}
{{- range $name, $value := $settings }}
LOCKSTEP_{{ upper $group }}__{{ upper $name }}: {{ include "lockstep.text" $value | quote }}
{{- end }}
{{- else }}
LOCKSTEP_{{ upper $group }}: {{ include "lockstep.text" $settings | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The secretFiles that a pod mounts, as JSON: not those of groups that its role has no use for (docs/access.md). Takes root,
     login, and for a worker its stages and platforms. */}}
{{- define "lockstep.secretFiles" -}}
{{- $stages := .stages | default list -}}
{{- $pushes := or (has "push" $stages) (has "retry" $stages) -}}
{{- $platforms := ternary (.platforms | default list) list $pushes -}}
{{- $edge := eq .login "edge" -}}
{{- $stores := or $edge (eq .login "console") $pushes (has "store" $stages) -}}
{{- $used := dict
  "KAFKA" (ne .login "schema")
  "CASSANDRA" (or $stores (eq .login "schema"))
  "REDIS" $stores
  "REGISTRY" (or $edge (gt (len (without $platforms "socket")) 0))
  "APNS" (has "apns" $platforms)
  "FCM" (has "fcm" $platforms)
  "WEBPUSH" (has "webpush" $platforms)
  "LIMITS" (gt (len $stages) 0)
-}}
{{- $files := dict -}}
{{- range $variable, $from := .root.Values.secretFiles -}}
{{- $group := (splitList "__" (trimPrefix "LOCKSTEP_" $variable)) | first -}}
{{- if or (not (hasKey $used $group)) (get $used $group) }}{{ $_ := set $files $variable $from }}{{ end -}}
{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/* The ConfigMap's data: what processes read when they start. */}}
{{- define "lockstep.config" -}}
data:
  {{- include "lockstep.environment" . | nindent 2 }}
{{- end -}}

{{/* Why these values cannot be installed, as sentences. */}}
{{- define "lockstep.checks" -}}
{{- $topology := fromYaml (include "lockstep.topology" .) -}}
{{- range $key := list "workers" "stages" "lanes" "platforms" "partitions" -}}
{{- if not (hasKey $topology $key) }}{{ fail (printf "topology: not a topics.yaml of lockstep: it has no %s; run lockstep check" $key) }}{{ end -}}
{{- end -}}
{{- $partitions := int $topology.partitions -}}
{{- $commit := float64 (dig "kafka" "commit_interval" 1.0 $.Values.config) -}}
{{- range $name, $_ := .Values.workers -}}
{{- if not (hasKey $topology.workers $name) }}{{ fail (printf "workers.%s: topics.yaml has no such worker; it has %s" $name (keys $topology.workers | sortAlpha | join ", ")) }}{{ end -}}
{{- end -}}
{{- range $name, $_ := $topology.workers -}}
{{- $worker := fromYaml (include "lockstep.worker" (dict "root" $ "worker" $name)) -}}
{{- $max := int ($worker.scaling.max | default $partitions) -}}
{{- if eq $.Values.autoscaling.kind "none" -}}
{{- if gt (int $worker.replicas) $partitions }}{{ fail (printf "workers.%s.replicas: %d pods for %d partitions: those without one would never be ready" $name (int $worker.replicas) $partitions) }}{{ end -}}
{{- else -}}
{{- if gt $max $partitions }}{{ fail (printf "workers.%s.scaling.max: %d pods for %d partitions: those without one would never be ready" $name $max $partitions) }}{{ end -}}
{{- if gt (int $worker.scaling.min) $max }}{{ fail (printf "workers.%s.scaling.min: %d is more than the most, %d" $name (int $worker.scaling.min) $max) }}{{ end -}}
{{- end -}}
{{- if and (eq $.Values.autoscaling.kind "keda") (lt (float64 $worker.scaling.lagSeconds) (mulf 2.0 $commit)) }}{{ fail (printf "workers.%s.scaling.lagSeconds: must be at least twice config.kafka.commit_interval: what waits for a commit counts as lag, so the worker would never scale down" $name) }}{{ end -}}
{{- end -}}
{{- if gt (int .Values.edge.scaling.min) (int .Values.edge.scaling.max) }}{{ fail (printf "edge.scaling.min: %d is more than the most, %d" (int .Values.edge.scaling.min) (int .Values.edge.scaling.max)) }}{{ end -}}
{{- range $property, $_ := dig "kafka" "security" dict .Values.config -}}
{{- if has $property (list "sasl.password" "ssl.key.password") }}{{ fail (printf "config.kafka.security: %s is a secret: put the whole object into a Secret and name it in secretFiles.LOCKSTEP_KAFKA__SECURITY" $property) }}{{ end -}}
{{- end -}}
{{- $plain := fromYaml (include "lockstep.environment" .) -}}
{{- range $variable, $_ := .Values.secretFiles -}}
{{- if hasKey $plain $variable }}{{ fail (printf "secretFiles.%s: config sets it too; only one can hold" $variable) }}{{ end -}}
{{- end -}}
{{- range $type, $text := .Values.schemas -}}
{{- if hasKey (fromJson $text) "Error" }}{{ fail (printf "schemas.%s: not a JSON object" $type) }}{{ end -}}
{{- end -}}
{{- if and .Values.schemas (not $topology.schemas) }}{{ fail "schemas: topology has no key `schemas` that names their directory" }}{{ end -}}
{{- if $topology.schemas }}{{ if not (regexMatch "^[a-z][a-z0-9-]*$" $topology.schemas) }}{{ fail (printf "topology: schemas: %s: must be a name of one level, such as schemas" $topology.schemas) }}{{ end }}{{ end -}}
{{- if and (eq (dig "ingest" "schemas" "ignore" .Values.config) "enforce") (not (fromJson (include "lockstep.schemas" .))) }}{{ fail "config.ingest.schemas: enforce, but there are no schemas: give those of your topology in schemas" }}{{ end -}}
{{- range $lane, $_ := ternary $topology.lanes dict .Values.monitoring.rules -}}
{{- if not (get $.Values.monitoring.objectives $lane) }}{{ fail (printf "monitoring.objectives.%s: missing: without it nobody would be told that lane %s of topics.yaml is late" $lane $lane) }}{{ end -}}
{{- end -}}
{{- if and .Values.console.enabled .Values.console.ingress.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.operators) }}{{ fail "console.ingress: name its controller in networkPolicy.operators, or nobody gets through" }}{{ end -}}
{{- if and .Values.edge.ingress.enabled .Values.edge.route.enabled }}{{ fail "edge.ingress and edge.route: enable one of them" }}{{ end -}}
{{- if and .Values.edge.route.enabled (not .Values.edge.route.parents) }}{{ fail "edge.route.parents: name the Gateway that the route belongs to" }}{{ end -}}
{{- end -}}
