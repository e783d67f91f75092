{{/* The chart is installed once in a cluster, so names are fixed: what other parts of Outrider count on them. */}}

{{- define "outrider.selectorLabels" -}}
app.kubernetes.io/name: outrider
app.kubernetes.io/component: operator
{{- end }}

{{- define "outrider.labels" -}}
{{ include "outrider.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* repository:tag, with the digest where there is one. */}}
{{- define "outrider.image" -}}
{{- $image := index .context.Values.images .name -}}
{{- $registry := .context.Values.images.registry -}}
{{- if $registry }}{{ $registry }}/{{ end -}}
{{ $image.repository }}:{{ $image.tag | default .context.Chart.AppVersion }}
{{- if $image.digest }}@{{ $image.digest }}{{ end -}}
{{- end }}

{{/* Namespaces that the webhook never sees: without them it could keep the cluster, and itself, from starting. */}}
{{- define "outrider.excludedNamespaces" -}}
{{ concat (list .Release.Namespace "kube-system" "kube-public" "kube-node-lease") .Values.webhook.excludedNamespaces | uniq | toJson }}
{{- end }}
