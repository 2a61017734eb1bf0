{{/*
What is known of the charts whose pods the agent runs in, as one document; `target` in the values overrides it.
  podLabels     of the server's pods
  dataVolume    name of the volume of its data; dataPath is where the server has it
  serverConfig  its configuration as the restore sees it, if at all; configVolume is what must be mounted for that at /conf
  user, group   that it runs as
  restoreArgs   what its restore must be told besides
*/}}
{{- define "keyrewind.target" -}}
{{- $release := tpl .Values.target.release . -}}
{{- $known := dict "user" 1000 "group" 1000 "dataVolume" "data" "serverConfig" "" "configVolume" "" "podLabels" dict "restoreArgs" list -}}
{{- $chart := .Values.target.chart -}}
{{- $standard := dict "app.kubernetes.io/instance" $release -}}
{{- if eq $chart "valkey-helm" -}}
{{- $known = merge (dict "podLabels" (set $standard "app.kubernetes.io/name" "valkey") "dataVolume" "valkey-data" "serverConfig" "/data/conf/valkey.conf") $known -}}
{{- else if eq $chart "bitnami-valkey" -}}
{{- $_ := set $standard "app.kubernetes.io/component" "primary" -}}
{{- $known = merge (dict "podLabels" (set $standard "app.kubernetes.io/name" "valkey") "dataVolume" "valkey-data" "serverConfig" "/conf/valkey.conf" "configVolume" "config" "user" 1001 "group" 1001) $known -}}
{{- else if eq $chart "bitnami-redis" -}}
{{- $_ := set $standard "app.kubernetes.io/component" "master" -}}
{{- $known = merge (dict "podLabels" (set $standard "app.kubernetes.io/name" "redis") "dataVolume" "redis-data" "serverConfig" "/conf/redis.conf" "configVolume" "config" "user" 1001 "group" 1001) $known -}}
{{- else if eq $chart "redis-ha" -}}
{{- $known = merge (dict "podLabels" (dict "app" "redis-ha" "release" $release) "serverConfig" "/data/conf/redis.conf") $known -}}
{{- else if eq $chart "ot-redis" -}}
{{- $known = merge (dict "podLabels" (dict "app" $release "redis_setup_type" "replication" "role" "replication") "dataVolume" $release "restoreArgs" (list "--append-filename=Appendonly.aof")) $known -}}
{{- else if eq $chart "cloudpirates" -}}
{{- $known = merge (dict "podLabels" (set $standard "app.kubernetes.io/name" "valkey") "serverConfig" "/conf/valkey.conf" "configVolume" "config" "user" 999) $known -}}
{{- else if eq $chart "valkey-operator" -}}
{{- $known = merge (dict "podLabels" (dict "valkey.io/cluster" $release)) $known -}}
{{- end -}}
{{- with .Values.target -}}
{{- if .podLabels }}{{ $_ := set $known "podLabels" .podLabels }}{{ end -}}
{{- if .dataVolume }}{{ $_ := set $known "dataVolume" .dataVolume }}{{ end -}}
{{- if .serverConfig }}{{ $_ := set $known "serverConfig" .serverConfig }}{{ end -}}
{{- if .runAsUser }}{{ $_ := set $known "user" .runAsUser }}{{ end -}}
{{- if .runAsGroup }}{{ $_ := set $known "group" .runAsGroup }}{{ end -}}
{{- end -}}
{{- toYaml $known -}}
{{- end }}

{{/* Whether the target's pods take nothing but environment: no volumes of ours. */}}
{{- define "keyrewind.envOnly" -}}
{{- if and (eq .Values.mode "sidecar") (has .Values.target.chart (list "ot-redis" "valkey-operator")) -}}
true
{{- end -}}
{{- end }}

{{/* Whether they have no volume of ours at all. */}}
{{- define "keyrewind.noVolumes" -}}
{{- if and (eq .Values.mode "sidecar") (eq .Values.target.chart "valkey-operator") -}}
true
{{- end -}}
{{- end }}

{{- define "keyrewind.spoolDir" -}}
{{- ternary "/tmp/keyrewind/spool" "/var/lib/keyrewind/spool" (eq (include "keyrewind.envOnly" .) "true") -}}
{{- end }}
