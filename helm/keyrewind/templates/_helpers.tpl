{{- define "keyrewind.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "keyrewind.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "keyrewind.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "keyrewind.selectorLabels" -}}
app.kubernetes.io/name: {{ include "keyrewind.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "keyrewind.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "keyrewind.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of a pod of this release: those above and those of its part, which the Service and monitors select. */}}
{{- define "keyrewind.podLabels" -}}
{{ include "keyrewind.labels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- if eq .root.Values.workloadIdentity.provider "azure" }}
azure.workload.identity/use: "true"
{{- end }}
{{- with .root.Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "keyrewind.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "keyrewind.drillImage" -}}
{{- $tag := .Values.drillImage.tag | default (printf "%s-drill" (.Values.image.tag | default .Chart.AppVersion)) -}}
{{ .Values.drillImage.repository | default .Values.image.repository }}:{{ $tag }}
{{- end }}

{{- define "keyrewind.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "keyrewind.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{/* Annotations by which a cloud knows whose pods these are. */}}
{{- define "keyrewind.identityAnnotations" -}}
{{- with .Values.workloadIdentity -}}
{{- if eq .provider "aws" -}}
eks.amazonaws.com/role-arn: {{ .roleArn }}
{{- else if eq .provider "gke" -}}
iam.gke.io/gcp-service-account: {{ .serviceAccount }}
{{- else if eq .provider "azure" -}}
azure.workload.identity/client-id: {{ .clientId | quote }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* secretName (dict "root" $ "name" … "key" …): the secret that is named, else our own if it has the key. */}}
{{- define "keyrewind.secretName" -}}
{{- if .name -}}
{{- tpl .name .root -}}
{{- else if and .root.Values.secret.create (hasKey .root.Values.secret.data .key) -}}
{{- include "keyrewind.fullname" .root -}}
{{- end -}}
{{- end }}

{{- define "keyrewind.authSecret" -}}
{{- include "keyrewind.secretName" (dict "root" . "name" .Values.auth.existingSecret "key" .Values.auth.passwordKey) -}}
{{- end }}
{{- define "keyrewind.s3Secret" -}}
{{- include "keyrewind.secretName" (dict "root" . "name" .Values.s3.existingSecret "key" .Values.s3.secretAccessKeyKey) -}}
{{- end }}
{{- define "keyrewind.identitySecret" -}}
{{- include "keyrewind.secretName" (dict "root" . "name" .Values.encryption.existingSecret "key" .Values.encryption.identityKey) -}}
{{- end }}

{{- define "keyrewind.configMapName" -}}
{{- if .Values.existingConfigMap -}}
{{- tpl .Values.existingConfigMap . -}}
{{- else -}}
{{- include "keyrewind.fullname" . -}}
{{- end -}}
{{- end }}

{{/* The program's configuration: what the user says over what the pod is. */}}
{{- define "keyrewind.config" -}}
{{- $secrets := "/run/secrets/keyrewind" -}}
{{- $source := dict -}}
{{- if eq .Values.mode "sidecar" -}}
{{- if not (include "keyrewind.envOnly" .) }}{{ $_ := set $source "data_dir" "/data" }}{{ end -}}
{{- $_ := set $source "address" (ternary "valkeys://127.0.0.1:6379" "valkey://127.0.0.1:6379" (ne .Values.tls.existingSecret "")) -}}
{{- end -}}
{{- if and (include "keyrewind.authSecret" .) (not (include "keyrewind.envOnly" .)) -}}
{{- $_ := set $source "password_file" (printf "%s/password" $secrets) -}}
{{- end -}}
{{- if .Values.tls.existingSecret -}}
{{- $tls := dict -}}
{{- if .Values.tls.caKey }}{{ $_ := set $tls "ca_file" (printf "%s/server-ca.crt" $secrets) }}{{ end -}}
{{- if .Values.tls.certKey }}{{ $_ := set $tls "cert_file" (printf "%s/client.crt" $secrets) }}{{ end -}}
{{- if .Values.tls.keyKey }}{{ $_ := set $tls "key_file" (printf "%s/client.key" $secrets) }}{{ end -}}
{{- $_ := set $source "tls" $tls -}}
{{- end -}}
{{- $config := dict "version" 1 "source" $source "logging" (dict "format" "json") -}}
{{- $_ := set $config "log" (dict "spool" (dict "dir" (include "keyrewind.spoolDir" .))) -}}
{{- $http := dict -}}
{{- if eq (include "keyrewind.noVolumes" .) "true" }}{{ $_ := set $http "socket" "/tmp/keyrewind/keyrewind.sock" }}{{ end -}}
{{- if .Values.http.tokenSecret }}{{ $_ := set $http "auth" (dict "bearer_token_file" (printf "%s/token" $secrets)) }}{{ end -}}
{{- if .Values.http.tlsSecret -}}
{{- $_ := set $http "tls" (dict "cert_file" (printf "%s/tls.crt" $secrets) "key_file" (printf "%s/tls.key" $secrets)) -}}
{{- end -}}
{{- if $http }}{{ $_ := set $config "http" $http }}{{ end -}}
{{- if and (include "keyrewind.s3Secret" .) (not (include "keyrewind.envOnly" .)) -}}
{{- $_ := set $config "repository" (dict "s3" (dict "secret_access_key_file" (printf "%s/s3-secret-access-key" $secrets))) -}}
{{- end -}}
{{- toYaml (mustMergeOverwrite $config (deepCopy .Values.config)) -}}
{{- end }}

{{/* What the pod's configuration is made of: its text, or the name of a ConfigMap that is not ours. */}}
{{- define "keyrewind.podConfig" -}}
{{- if .Values.existingConfigMap }}{{ .Values.existingConfigMap }}{{ else }}{{ include "keyrewind.config" . }}{{ end -}}
{{- end }}

{{/* The port of the agent's HTTP server. */}}
{{- define "keyrewind.port" -}}
{{- $listen := dig "http" "listen" "0.0.0.0:8379" .Values.config -}}
{{- regexFind "[0-9]+$" $listen -}}
{{- end }}

{{/* http, or https if the agent has a certificate. */}}
{{- define "keyrewind.scheme" -}}
{{- ternary "https" "http" (or (ne .Values.http.tlsSecret "") (ne (dig "http" "tls" "cert_file" "" .Values.config) "")) -}}
{{- end }}

{{/* Files of secrets as items of one projected volume; empty if there are none. */}}
{{- define "keyrewind.secretSources" -}}
{{- with include "keyrewind.authSecret" . }}
- secret:
    name: {{ . }}
    items: [{key: {{ $.Values.auth.passwordKey }}, path: password}]
{{- end }}
{{- with .Values.tls }}
{{- if .existingSecret }}
- secret:
    name: {{ tpl .existingSecret $ }}
    items:
      {{- with .caKey }}
      - {key: {{ . }}, path: server-ca.crt}
      {{- end }}
      {{- with .certKey }}
      - {key: {{ . }}, path: client.crt}
      {{- end }}
      {{- with .keyKey }}
      - {key: {{ . }}, path: client.key}
      {{- end }}
{{- end }}
{{- end }}
{{- with include "keyrewind.s3Secret" . }}
- secret:
    name: {{ . }}
    items: [{key: {{ $.Values.s3.secretAccessKeyKey }}, path: s3-secret-access-key}]
{{- end }}
{{- with .Values.http.tokenSecret }}
- secret:
    name: {{ tpl . $ }}
    items: [{key: {{ $.Values.http.tokenKey }}, path: token}]
{{- end }}
{{- with .Values.http.tlsSecret }}
- secret:
    name: {{ tpl . $ }}
    items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]
{{- end }}
{{- end }}

{{/* Volumes that every container of ours has; (dict "root" $ "identity" true) adds the secret that decrypts. */}}
{{- define "keyrewind.volumes" -}}
- name: keyrewind-config
  configMap: {name: {{ include "keyrewind.configMapName" .root }}}
- name: keyrewind-run
  emptyDir: {medium: Memory, sizeLimit: 8Mi}
{{- with include "keyrewind.secretSources" .root }}
- name: keyrewind-secrets
  projected:
    defaultMode: 0440
    sources:
      {{- trim . | nindent 6 }}
{{- end }}
{{- if .identity }}
{{- with include "keyrewind.identitySecret" .root }}
- name: keyrewind-identity
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items: [{key: {{ $.root.Values.encryption.identityKey }}, path: identity}]
{{- end }}
{{- end }}
{{- end }}

{{- define "keyrewind.volumeMounts" -}}
- {name: keyrewind-config, mountPath: /etc/keyrewind, readOnly: true}
- {name: keyrewind-run, mountPath: /run/keyrewind}
{{- if include "keyrewind.secretSources" .root }}
- {name: keyrewind-secrets, mountPath: /run/secrets/keyrewind, readOnly: true}
{{- end }}
{{- if and .identity (include "keyrewind.identitySecret" .root) }}
- {name: keyrewind-identity, mountPath: /run/secrets/keyrewind-identity, readOnly: true}
{{- end }}
{{- end }}

{{/* Environment of every container of ours; may be empty. */}}
{{- define "keyrewind.env" -}}
{{- with include "keyrewind.s3Secret" .root }}
- name: KEYREWIND_REPOSITORY__S3__ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $.root.Values.s3.accessKeyIdKey }}}}
{{- if include "keyrewind.envOnly" $.root }}
# The configuration, made for pods without our volumes, does not say it.
- {name: KEYREWIND_REPOSITORY__S3__SECRET_ACCESS_KEY_FILE, value: /run/secrets/keyrewind/s3-secret-access-key}
{{- end }}
{{- end }}
{{- if and .identity (include "keyrewind.identitySecret" .root) }}
- {name: KEYREWIND_ENCRYPTION__IDENTITY_FILE, value: /run/secrets/keyrewind-identity/identity}
{{- end }}
{{- with .root.Values.agent.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "keyrewind.probes" -}}
startupProbe:
  httpGet: {path: /-/healthy, port: backup-http{{ include "keyrewind.probeScheme" . }}}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /-/healthy, port: backup-http{{ include "keyrewind.probeScheme" . }}}
  periodSeconds: 20
  timeoutSeconds: 3
  failureThreshold: 6
{{- end }}
{{- define "keyrewind.probeScheme" -}}
{{- if eq (include "keyrewind.scheme" .) "https" }}, scheme: HTTPS{{ end -}}
{{- end }}

{{/* Whether the agent is a native sidecar. */}}
{{- define "keyrewind.native" -}}
{{- $wish := toString .Values.nativeSidecar -}}
{{- if or (eq $wish "true") (and (eq $wish "auto") (semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version)) -}}
true
{{- end -}}
{{- end }}

{{/* The labels of the pods that have the agent. */}}
{{- define "keyrewind.agentPodLabels" -}}
{{- if eq .Values.mode "standalone" -}}
{{ include "keyrewind.selectorLabels" . }}
app.kubernetes.io/component: agent
{{- else -}}
{{ toYaml (include "keyrewind.target" . | fromYaml).podLabels }}
{{- end -}}
{{- end }}

{{/* A size as bytes, whether it is written for Kubernetes (3Gi, 3G) or for the program (3GiB, 3GB, 3000). */}}
{{- define "keyrewind.bytes" -}}
{{- $number := regexFind "^[0-9]+" (toString .) -}}
{{- $unit := regexFind "[A-Za-z]+$" (toString .) | trimSuffix "B" | lower -}}
{{- $factors := dict "ki" 1024 "mi" 1048576 "gi" 1073741824 "ti" 1099511627776 "k" 1000 "m" 1000000 "g" 1000000000 "t" 1000000000000 -}}
{{- mul (int64 $number) (get $factors $unit | default 1) -}}
{{- end }}
