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

{{/* The binding of a policy; with `parameters` it reads the ConfigMap outrider-admission, and refuses without. */}}
{{- define "outrider.binding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels: {{- include "outrider.labels" .context | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [{{ .action | default "Deny" }}]
  {{- if .parameters }}
  paramRef: { name: outrider-admission, namespace: {{ .context.Release.Namespace }}, parameterNotFoundAction: Deny }
  {{- end }}
{{- end }}

{{/* What a projected volume is made of. The API server writes null where there is nothing, as in `projected: {}`. */}}
{{- define "outrider.sources" -}}
{{ . }}.?projected.?sources.optFlatMap(sources, optional.ofNonZeroValue(sources)).orValue([])
{{- end }}

{{/* Names that only the webhook writes, of containers and volumes. */}}
{{- define "outrider.isReserved" -}}
({{ . }} == "outrider" || {{ . }}.startsWith("outrider-"))
{{- end }}

{{/*
Validations of rules about a pod: `when` is what is refused, in CEL, `must` the end of the sentence that says why and what to do.
`field` begins it: text, or where it has quotes CEL.
*/}}
{{- define "outrider.podRefusals" -}}
{{- range . }}
- expression: >-
    !({{ .when }})
  {{- if contains "\"" .field }}
  messageExpression: >-
    ({{ .field }}) +
    {{ printf " must %s" .must | toJson }}
  {{- else }}
  message: >-
    {{ .field }} must {{ .must }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
The same of rules about containers, in the variable `agents` of {field, is}; each has a variable of those that it refuses.
`when` is about a container `a`; with `list`, about an entry `i` of that list of it; with `fields`, about one of those fields.
What follows in the sentence is `field`.
*/}}
{{- define "outrider.containerVariables" -}}
{{- range . }}
- name: {{ .name }}
  expression: >-
    variables.agents.filter(a, {{ if include "outrider.entries" . }}{{ include "outrider.entries" . }}.exists(i, {{ .when }}){{ else }}{{ .when }}{{ end }})
{{- end }}
{{- end }}

{{- define "outrider.entries" -}}
{{ with .list }}a.is.?{{ . }}.orValue([]){{ end }}{{ with .fields }}{{ toJson . }}{{ end }}
{{- end }}

{{- define "outrider.containerRefusals" -}}
{{- range . }}
{{- $first := printf "variables.%s[0]" .name }}
- expression: variables.{{ .name }}.size() == 0
  messageExpression: >-
    {{ $first }}.field +
    {{- if .list }}
    ".{{ .list }}[" + [{{ $first }}].map(a, string({{ include "outrider.entries" . }}.filter(i, {{ .when }})[0].{{ .key | default "name" }}))[0] + "]" +
    {{- end }}
    {{- if .fields }}
    [{{ $first }}].map(a, {{ include "outrider.entries" . }}.filter(i, {{ .when }})[0])[0] +
    {{- end }}
    {{ printf "%s must %s" (.field | default "") .must | toJson }}
{{- end }}
{{- end }}

{{/* What policies ask of the sidecar of a pod: its ids, which no other container may have, and whether the pod is captured. */}}
{{- define "outrider.sidecarVariables" -}}
- name: sidecar
  expression: object.spec.?initContainers.orValue([]).filter(c, c.name == "outrider")
# -1 where there is none, which another policy refuses; what others leave unset counts as -2.
- name: uid
  expression: 'variables.sidecar.size() == 0 ? -1 : variables.sidecar[0].?securityContext.?runAsUser.orValue(-1)'
- name: gid
  expression: 'variables.sidecar.size() == 0 ? -1 : variables.sidecar[0].?securityContext.?runAsGroup.orValue(-1)'
- name: isCaptured
  expression: object.spec.?initContainers.orValue([]).exists(c, c.name == "outrider-capture")
{{- end }}

{{/* Whether a pod gets a sidecar, as the webhook sees it (operator/injector/report.ts). */}}
{{- define "outrider.askingVariables" -}}
- name: requests
  expression: >-
    [object.metadata.?annotations[?"outrider.dev/inject"], object.metadata.?labels[?"outrider.dev/inject"]]
    .filter(request, request.hasValue()).map(request, request.value())
# Any value but "false": a misspelt one must not start a pod without its sidecar.
- name: asks
  expression: variables.requests.exists(request, request != "false")
- name: declines
  expression: >-
    !variables.asks && variables.requests.size() > 0 &&
    namespaceObject.metadata.?labels[?"outrider.dev/opt-out"].orValue("") == "allowed"
- name: isAgents
  expression: namespaceObject.metadata.?labels[?"outrider.dev/inject"].orValue("") == "enabled"
{{- end }}
