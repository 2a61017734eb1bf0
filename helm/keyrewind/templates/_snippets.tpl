{{/* What the other chart's values, or the operator's object, must have. examples/ has each of them with more around it. */}}
{{- define "keyrewind.snippet" -}}
{{- $chart := .Values.target.chart -}}
{{- if eq $chart "valkey-helm" -}}
{{ include "keyrewind.snippet.plain" . }}
{{- else if eq $chart "redis-ha" -}}
{{ include "keyrewind.snippet.plain" . }}
redis:
  terminationGracePeriodSeconds: 90
{{- else if eq $chart "bitnami-valkey" -}}
{{ include "keyrewind.snippet.bitnami" (dict "root" . "node" "primary") }}
{{- else if eq $chart "bitnami-redis" -}}
{{ include "keyrewind.snippet.bitnami" (dict "root" . "node" "master") }}
{{- else if eq $chart "ot-redis" -}}
{{ include "keyrewind.snippet.ot" . }}
{{- else if eq $chart "valkey-operator" -}}
{{ include "keyrewind.snippet.valkeyOperator" . }}
{{- else -}}
{{ include "keyrewind.snippet.pod" . }}
{{- end -}}
{{- end }}

{{/* Charts whose values have the names of a pod's fields, with extra before them. */}}
{{- define "keyrewind.snippet.plain" -}}
extraVolumes:
  {{- include "keyrewind.podVolumes" . | nindent 2 }}
{{- with include "keyrewind.podInitContainers" . }}
extraInitContainers:
  {{- trim . | nindent 2 }}
{{- end }}
{{- with include "keyrewind.podContainers" . }}
extraContainers:
  {{- trim . | nindent 2 }}
{{- end }}
{{- with include "keyrewind.identityAnnotations" . }}
serviceAccount:
  create: true
  annotations:
    {{- . | nindent 4 }}
{{- end }}
{{- if eq .Values.workloadIdentity.provider "azure" }}
{{ ternary "labels" "podLabels" (eq .Values.target.chart "redis-ha") }}: {azure.workload.identity/use: "true"}
{{- end }}
{{- end }}

{{- define "keyrewind.snippet.bitnami" -}}
{{- $root := .root -}}
{{ .node }}:
  terminationGracePeriodSeconds: 90
  extraVolumes:
    {{- include "keyrewind.podVolumes" .root | nindent 4 }}
  {{- with include "keyrewind.podInitContainers" .root }}
  initContainers:
    {{- trim . | nindent 4 }}
  {{- end }}
  {{- with include "keyrewind.podContainers" .root }}
  sidecars:
    {{- trim . | nindent 4 }}
  {{- end }}
  {{- with include "keyrewind.identityAnnotations" .root }}
  serviceAccount:
    create: true
    annotations:
      {{- . | nindent 6 }}
  {{- end }}
  {{- if eq .root.Values.workloadIdentity.provider "azure" }}
  podLabels: {azure.workload.identity/use: "true"}
  {{- end }}
networkPolicy:
  extraIngress:
    - ports: [{port: {{ include "keyrewind.port" .root }}}]
{{- end }}

{{/* The operator's object: one init container, which mounts /data and nothing else, and sidecars without probes. */}}
{{- define "keyrewind.snippet.ot" -}}
{{- $root := . -}}
apiVersion: redis.redis.opstreelabs.in/v1beta2
kind: RedisReplication
metadata:
  name: {{ tpl .Values.target.release . }}
spec:
  {{- if .Values.restore.onStart.enabled }}
  initContainer:
    enabled: true
    image: {{ include "keyrewind.image" . }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    command: [/usr/bin/keyrewind]
    args:
      {{- include "keyrewind.restoreArgs" . | nindent 6 }}
    env:
      {{- include "keyrewind.envOnlyEnv" (dict "root" .) | nindent 6 }}
    securityContext:
      {{- include "keyrewind.targetSecurityContext" . | nindent 6 }}
    resources:
      {{- toYaml .Values.restore.onStart.resources | nindent 6 }}
  {{- end }}
  storage:
    volumeMount:
      volume:
        - name: keyrewind-run
          emptyDir: {medium: Memory, sizeLimit: 8Mi}
        - name: keyrewind-spool
          emptyDir: {sizeLimit: {{ .Values.agent.spoolSize }}}
  sidecars:
    - name: keyrewind
      image: {{ include "keyrewind.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [/usr/bin/keyrewind, agent]
      env:
        {{- with include "keyrewind.memoryLimitEnv" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- include "keyrewind.envOnlyEnv" (dict "root" .) | nindent 8 }}
      ports:
        - {name: backup-http, containerPort: {{ include "keyrewind.port" . }}}
      mountPath:
        - {name: keyrewind-run, mountPath: /run/keyrewind}
        - {name: keyrewind-spool, mountPath: /tmp/keyrewind}
      securityContext:
        {{- include "keyrewind.targetSecurityContext" . | nindent 8 }}
      resources:
        {{- toYaml .Values.agent.resources | nindent 8 }}
{{- end }}

{{/* Containers only: no volume, so the spool is in the container's own file system. One source for each shard. */}}
{{- define "keyrewind.snippet.valkeyOperator" -}}
apiVersion: valkey.io/v1alpha1
kind: ValkeyCluster
metadata:
  name: {{ tpl .Values.target.release . }}
spec:
  containers:
    - name: keyrewind
      image: {{ include "keyrewind.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      terminationMessagePolicy: FallbackToLogsOnError
      args: [agent]
      env:
        - {name: SHARD, valueFrom: {fieldRef: {fieldPath: "metadata.labels['valkey.io/shard-index']"}}}
        {{- with include "keyrewind.memoryLimitEnv" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- include "keyrewind.envOnlyEnv" (dict "root" .) | nindent 8 }}
      ports:
        - {name: backup-http, containerPort: {{ include "keyrewind.port" . }}}
      {{- include "keyrewind.probes" . | nindent 6 }}
      securityContext:
        {{- omit .Values.securityContext "readOnlyRootFilesystem" | toYaml | nindent 8 }}
        runAsNonRoot: true
        seccompProfile: {type: RuntimeDefault}
      resources:
        {{- toYaml .Values.agent.resources | nindent 8 }}
{{- end }}

{{/* A patch of the pod's template, for what has no hooks. */}}
{{- define "keyrewind.snippet.pod" -}}
spec:
  template:
    spec:
      {{- with include "keyrewind.podInitContainers" . }}
      initContainers:
        {{- trim . | nindent 8 }}
      {{- end }}
      {{- with include "keyrewind.podContainers" . }}
      containers:
        {{- trim . | nindent 8 }}
      {{- end }}
      volumes:
        {{- include "keyrewind.podVolumes" . | nindent 8 }}
{{- end }}
