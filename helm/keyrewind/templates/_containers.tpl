{{/* The arguments of the restore of an init container. */}}
{{- define "keyrewind.restoreArgs" -}}
{{- $target := include "keyrewind.target" . | fromYaml -}}
{{- with .Values.restore.onStart -}}
- restore
- --target=/data
- --at={{ .at }}
- --if-empty
- --if-backup-exists
- --layout={{ .layout }}
{{- with $target.serverConfig }}
- --server-config={{ . }}
{{- end }}
{{- range $target.restoreArgs }}
- {{ . }}
{{- end }}
{{- with .ordinals }}
- --ordinals={{ . }}
{{- end }}
{{- range .extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}
{{- end }}

{{/* Runs as the server does: restored files are then its own. */}}
{{- define "keyrewind.targetSecurityContext" -}}
{{- $target := include "keyrewind.target" . | fromYaml -}}
runAsNonRoot: true
runAsUser: {{ $target.user }}
runAsGroup: {{ $target.group }}
{{ toYaml .Values.securityContext }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Fills an empty data volume before the server starts. What it says when it fails stands in the pod's status, too. */}}
{{- define "keyrewind.restoreContainer" -}}
{{- $target := include "keyrewind.target" . | fromYaml -}}
name: keyrewind-restore
image: {{ include (ternary "keyrewind.drillImage" "keyrewind.image" .Values.restore.onStart.withServer) . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
args:
  {{- include "keyrewind.restoreArgs" . | nindent 2 }}
env:
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  {{- with trim (include "keyrewind.env" (dict "root" . "identity" true)) }}
  {{- . | nindent 2 }}
  {{- end }}
volumeMounts:
  - {name: {{ $target.dataVolume }}, mountPath: /data}
  {{- with $target.configVolume }}
  - {name: {{ . }}, mountPath: /conf, readOnly: true}
  {{- end }}
  {{- include "keyrewind.volumeMounts" (dict "root" . "identity" true) | nindent 2 }}
securityContext:
  {{- include "keyrewind.targetSecurityContext" . | nindent 2 }}
resources:
  {{- toYaml .Values.restore.onStart.resources | nindent 2 }}
{{- end }}

{{/* What the server's container may take, for the guard before forks: the server itself sees the machine's memory. */}}
{{- define "keyrewind.memoryLimitEnv" -}}
{{- with .Values.target.container -}}
- name: KEYREWIND_SOURCE__MEMORY_LIMIT
  valueFrom: {resourceFieldRef: {containerName: {{ . }}, resource: limits.memory}}
{{- end -}}
{{- end }}

{{/* The agent; (dict "root" $ "native" true) makes it a native sidecar. */}}
{{- define "keyrewind.agentContainer" -}}
{{- $target := include "keyrewind.target" .root | fromYaml -}}
name: keyrewind
{{- if .native }}
restartPolicy: Always
{{- end }}
{{- with .root }}
image: {{ include "keyrewind.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
args: [agent]
env:
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  {{- with include "keyrewind.memoryLimitEnv" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with trim (include "keyrewind.env" (dict "root" . "identity" false)) }}
  {{- . | nindent 2 }}
  {{- end }}
ports:
  - {name: backup-http, containerPort: {{ include "keyrewind.port" . }}}
{{ include "keyrewind.probes" . }}
# No readinessProbe, on purpose: it would take the server out of its Service whenever the store is away.
volumeMounts:
  - {name: {{ $target.dataVolume }}, mountPath: /data, readOnly: true}
  {{- include "keyrewind.volumeMounts" (dict "root" . "identity" false) | nindent 2 }}
  - {name: keyrewind-spool, mountPath: /var/lib/keyrewind}
securityContext:
  {{- include "keyrewind.targetSecurityContext" . | nindent 2 }}
resources:
  {{- toYaml .Values.agent.resources | nindent 2 }}
{{- end }}
{{- end }}

{{/* The init containers of a pod: the restore first, then the agent where it is native. */}}
{{- define "keyrewind.podInitContainers" -}}
{{- if .Values.restore.onStart.enabled -}}
- {{ include "keyrewind.restoreContainer" . | nindent 2 | trim }}
{{ end -}}
{{- if include "keyrewind.native" . -}}
- {{ include "keyrewind.agentContainer" (dict "root" . "native" true) | nindent 2 | trim }}
{{- end -}}
{{- end }}

{{/* The ordinary containers: the agent where there are no native sidecars. */}}
{{- define "keyrewind.podContainers" -}}
{{- if not (include "keyrewind.native" .) -}}
- {{ include "keyrewind.agentContainer" (dict "root" . "native" false) | nindent 2 | trim }}
{{- end -}}
{{- end }}

{{- define "keyrewind.podVolumes" -}}
{{ include "keyrewind.volumes" (dict "root" . "identity" .Values.restore.onStart.enabled) }}
- name: keyrewind-spool
  emptyDir: {sizeLimit: {{ .Values.agent.spoolSize }}}
{{- end }}

{{/* For pods that take environment only: configuration and secrets as variables. */}}
{{- define "keyrewind.envOnlyEnv" -}}
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- name: KEYREWIND_CONFIG_YAML
  valueFrom: {configMapKeyRef: {name: {{ include "keyrewind.configMapName" .root }}, key: config.yaml}}
{{- with include "keyrewind.authSecret" .root }}
- name: KEYREWIND_SOURCE__PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $.root.Values.auth.passwordKey }}}}
{{- end }}
{{- with include "keyrewind.s3Secret" .root }}
- name: KEYREWIND_REPOSITORY__S3__ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $.root.Values.s3.accessKeyIdKey }}}}
- name: KEYREWIND_REPOSITORY__S3__SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $.root.Values.s3.secretAccessKeyKey }}}}
{{- end }}
{{- with .root.Values.agent.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
