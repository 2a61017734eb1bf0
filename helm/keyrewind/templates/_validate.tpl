{{/* What no schema can say. Each line names the value and what to do. */}}
{{- define "keyrewind.validate" -}}
{{- $config := .Values.config -}}
{{- if and .Values.existingConfigMap $config -}}
{{- fail "existingConfigMap and config contradict each other: leave one of them empty" -}}
{{- end -}}
{{- if not .Values.existingConfigMap -}}
{{- if not (dig "source" "name" "" $config) -}}
{{- fail "config.source.name is required: the name of what is backed up, which must never change" -}}
{{- end -}}
{{- if not (dig "repository" "url" "" $config) -}}
{{- fail "config.repository.url is required: where backups go, such as s3://BUCKET/PREFIX" -}}
{{- end -}}
{{- if and (eq .Values.mode "standalone") (not (dig "source" "address" "" $config)) -}}
{{- fail "config.source.address is required with mode standalone: where the server listens, such as valkey://valkey.default.svc:6379" -}}
{{- end -}}
{{- if or (dig "source" "password" "" $config) (dig "repository" "s3" "secret_access_key" "" $config) -}}
{{- fail "config holds a secret, which would be in a ConfigMap: put it into a Secret and name that in auth.existingSecret or s3.existingSecret" -}}
{{- end -}}
{{- if and (dig "source" "username" "" $config) (not (include "keyrewind.authSecret" .)) (not (dig "source" "password_file" "" $config)) -}}
{{- fail "auth.existingSecret is empty: config.source.username needs the Secret of its password" -}}
{{- end -}}
{{- $restores := or (and (eq .Values.mode "sidecar") .Values.restore.onStart.enabled) .Values.restore.job.enabled (and .Values.drill.enabled (ne .Values.drill.level "checksum")) -}}
{{- if and (dig "encryption" "recipients" list $config) $restores (not (include "keyrewind.identitySecret" .)) (not (dig "encryption" "identity_file" "" $config)) -}}
{{- fail "encryption.existingSecret is empty: backups are encrypted (config.encryption.recipients), and restore.onStart, restore.job and drill cannot read them without the identity" -}}
{{- end -}}
{{- end -}}
{{- if and (include "keyrewind.envOnly" .) (or .Values.http.tokenSecret .Values.http.tlsSecret .Values.tls.existingSecret) -}}
{{- fail (printf "http.tokenSecret, http.tlsSecret and tls.existingSecret are files, which %s cannot give to the agent: leave them empty" .Values.target.chart) -}}
{{- end -}}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled -}}
{{- fail "metrics.podMonitor and metrics.serviceMonitor are both enabled: every metric would be scraped twice; enable one" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.service.enabled) -}}
{{- fail "metrics.serviceMonitor needs service.enabled; or enable metrics.podMonitor instead" -}}
{{- end -}}
{{- if and (eq .Values.mode "sidecar") (eq .Values.target.chart "custom") -}}
{{- if not .Values.target.podLabels -}}
{{- fail "target.podLabels is required with target.chart custom: the labels of the server's pods" -}}
{{- end -}}
{{- if not (and .Values.target.runAsUser .Values.target.runAsGroup) -}}
{{- fail "target.runAsUser and target.runAsGroup are required with target.chart custom: user and group of the server, who must own restored files" -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.mode "sidecar") .Values.networkPolicy.enabled (not .Values.networkPolicy.serverIngress) -}}
{{- fail "networkPolicy.serverIngress is required with mode sidecar: the policy closes the server's ports for all whom it does not name; one empty rule, [{}], keeps them open" -}}
{{- end -}}
{{- if and (or .Values.restore.job.enabled .Values.drill.enabled) (contains "${" (dig "source" "name" "" $config)) -}}
{{- fail "restore.job and drill read one source, and config.source.name is filled in by each pod: give them a release of their own, with the name in full, such as orders-0" -}}
{{- end -}}
{{- if and .Values.restore.job.enabled (not .Values.restore.job.claim) -}}
{{- fail "restore.job.claim is required: the PersistentVolumeClaim to restore into" -}}
{{- end -}}
{{- with .Values.standalone -}}
{{- if and (eq $.Values.mode "standalone") .persistence.enabled (gt (int .replicaCount) 1) -}}
{{- fail "standalone.persistence with more than one replica: a volume is for one agent; with replicaCount above 1 leave persistence off" -}}
{{- end -}}
{{- end -}}
{{- $spool := dig "log" "spool" "max_size" "2GiB" $config -}}
{{- if and (not .Values.standalone.persistence.enabled) (le (include "keyrewind.bytes" .Values.agent.spoolSize | int64) (include "keyrewind.bytes" $spool | int64)) -}}
{{- fail (printf "agent.spoolSize is %s, not more than config.log.spool.max_size, %s: Kubernetes evicts a pod, and the server with it, whose volume outgrows its limit" .Values.agent.spoolSize $spool) -}}
{{- end -}}
{{- $given := dict "aws" "roleArn" "gke" "serviceAccount" "azure" "clientId" -}}
{{- with .Values.workloadIdentity -}}
{{- if .provider -}}
{{- $key := get $given .provider -}}
{{- if not (get . $key) -}}
{{- fail (printf "workloadIdentity.%s is required with workloadIdentity.provider %s" $key .provider) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.drill.enabled .Values.drill.timeZone (semverCompare "<1.27.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail "drill.timeZone needs Kubernetes 1.27" -}}
{{- end -}}
{{- if and (eq (toString .Values.nativeSidecar) "true") (semverCompare "<1.28.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail "nativeSidecar needs Kubernetes 1.28 with the feature gate SidecarContainers, or 1.29: leave it at auto" -}}
{{- end -}}
{{- end }}
