{{/* Restricted Pod Security Standard. */}}
{{- define "lockstep.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "lockstep.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "lockstep.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end -}}

{{/* What a container mounts. Takes root, callers, playKey, files (its secretFiles). */}}
{{- define "lockstep.mounts" -}}
- {name: topology, mountPath: /etc/lockstep/topology, readOnly: true}
- {name: tokens, mountPath: /etc/lockstep/tokens, readOnly: true}
{{- if .callers }}
- {name: callers, mountPath: /etc/lockstep/callers, readOnly: true}
{{- end }}
{{- if .playKey }}
- {name: play, mountPath: /etc/lockstep/play, readOnly: true}
{{- end }}
{{- if .files }}
- {name: secrets, mountPath: /etc/lockstep/secrets, readOnly: true}
{{- end }}
{{- if .root.Values.certificates }}
- {name: certificates, mountPath: /etc/lockstep/certificates, readOnly: true}
{{- end }}
- {name: data, mountPath: /data}
- {name: tmp, mountPath: /tmp}
{{- end -}}

{{/* Volumes of a pod. Takes root, config (name of the ConfigMap), login (its role in docs/access.md), dataSize or claim,
     edge, callers, playKey, prober, files (its secretFiles). Schemas lie where topics.yaml says, beside it. */}}
{{- define "lockstep.volumes" -}}
{{- $schemas := ternary (fromJson (include "lockstep.schemas" .root)) dict (eq .component "edge") }}
- name: topology
  {{- if $schemas }}
  projected:
    sources:
      - configMap:
          name: {{ .config }}-topology
      - configMap:
          name: {{ .config }}-schemas
          items:
            {{- range $type, $_ := $schemas }}
            - {key: {{ printf "%s.json" $type | quote }}, path: {{ printf "%s/%s.json" (fromYaml (include "lockstep.topology" $.root)).schemas $type | quote }}}
            {{- end }}
  {{- else }}
  configMap:
    name: {{ .config }}-topology
  {{- end }}
{{- with .playKey }}
- name: play
  secret:
    secretName: {{ . | quote }}
    items:
      - {key: private.jwk, path: private.jwk}
{{- end }}
{{- if .callers }}
- name: callers
  secret:
    secretName: {{ .root.Values.callers.secret | default (printf "%s-callers" .config) | quote }}
    optional: {{ empty .root.Values.callers.secret }}
    items:
      - {key: {{ .root.Values.callers.key | quote }}, path: callers.json}
{{- end }}
- name: tokens
  {{- if .prober }}
  secret:
    secretName: {{ .root.Values.prober.secret | quote }}
  {{- else }}
  secret:
    secretName: {{ .root.Values.tokens.secret | quote }}
    optional: {{ not .edge }}
    items:
      - {key: {{ .root.Values.tokens.key | quote }}, path: public.jwks}
  {{- end }}
{{- if .files }}
- name: secrets
  projected:
    sources:
      {{- range $variable, $from := .files }}
      - secret:
          name: {{ $from.secret | replace "{role}" $.login | quote }}
          items:
            - {key: {{ $from.key | quote }}, path: {{ $variable }}}
      {{- end }}
{{- end }}
{{- with .root.Values.certificates }}
- name: certificates
  secret:
    secretName: {{ . | quote }}
{{- end }}
- name: data
  {{- with .claim }}
  persistentVolumeClaim:
    claimName: {{ . | quote }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .dataSize | default "64Mi" | quote }}
  {{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- end -}}

{{/* A pod's metadata and spec around one container. Takes root, component, role, config, args, resources, grace, and
     what `lockstep.volumes` takes; for a Job restart, for the edge ports, for a worker stages and platforms. Its login is its
     component unless given. */}}
{{- define "lockstep.pod" -}}
{{- $pod := merge (dict "login" (.login | default .component)) . -}}
{{- $pod := merge (dict "files" (include "lockstep.secretFiles" $pod | fromJson)) $pod -}}
metadata:
  labels:
    {{- include "lockstep.labels" . | nindent 4 }}
    lockstep/role: {{ .role }}
    {{- with .root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ printf "%s\n%s%s" (include "lockstep.environment" .root) (include "lockstep.topology" .root) (ternary (include "lockstep.schemas" .root) "" (eq .component "edge")) | sha256sum }}
    {{- with .root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ .account }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .restart }}
  restartPolicy: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ int (.grace | default 30) }}
  securityContext:
    {{- include "lockstep.podSecurity" . | nindent 4 }}
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  {{- with .init }}
  initContainers:
    - name: plan
      {{- include "lockstep.container" (merge (dict "args" .) (omit $pod "init")) | nindent 6 }}
  {{- end }}
  containers:
    - name: lockstep
      {{- include "lockstep.container" $pod | nindent 6 }}
  volumes:
    {{- include "lockstep.volumes" $pod | nindent 4 }}
  {{- include "lockstep.scheduling" . | nindent 2 }}
{{- end -}}

{{- define "lockstep.container" -}}
image: {{ include "lockstep.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{ toJson .args }}
envFrom:
  - configMapRef:
      name: {{ .config | quote }}
{{- if or .callers .files }}
env:
  {{- if .edge }}
  - name: LOCKSTEP_EDGE__ADVERTISE
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  {{- end }}
  {{- if .callers }}
  - name: LOCKSTEP_INGEST__CALLERS
    value: /etc/lockstep/callers/callers.json
  {{- end }}
  {{- range $variable, $value := .environment }}
  - name: {{ $variable }}
    value: {{ $value | quote }}
  {{- end }}
  {{- range $variable, $_ := .files }}
  - name: {{ $variable }}_FILE
    value: /etc/lockstep/secrets/{{ $variable }}
  {{- end }}
{{- end }}
{{- with .ports }}
ports:
  {{- range $name, $port := . }}
  - {name: {{ $name }}, containerPort: {{ int $port }}}
  {{- end }}
startupProbe:
  httpGet: {path: /livez, port: health}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: health}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
{{- end }}
{{- if .edge }}
lifecycle:
  preStop:
    sleep:
      seconds: 5
{{- end }}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- include "lockstep.containerSecurity" . | nindent 2 }}
volumeMounts:
  {{- include "lockstep.mounts" . | nindent 2 }}
{{- end -}}

{{/* Where a pod runs. Takes root, component. */}}
{{- define "lockstep.scheduling" -}}
{{- $scheduling := .root.Values.scheduling -}}
{{- if and $scheduling.spread (not .restart) }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "lockstep.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- with $scheduling.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $scheduling.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $scheduling.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $scheduling.priorityClass }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end -}}
