{{- define "stenogram.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "stenogram.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "stenogram.labels" -}}
{{ include "stenogram.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "stenogram.secret" -}}
{{- .Values.existingSecret | default (include "stenogram.name" .) }}
{{- end }}

{{- define "stenogram.container" -}}
{{- with .Values.image.digest }}
image: "{{ $.Values.image.repository }}@{{ . }}"
{{- else }}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
{{- end }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
envFrom:
  - secretRef:
      name: {{ include "stenogram.secret" . }}
env:
  - name: STENOGRAM_HOST
    value: "0.0.0.0"
  - name: STENOGRAM_PORT
    value: "8600"
  {{- range $name, $value := .Values.settings }}
  - name: STENOGRAM_{{ $name | upper }}
    value: {{ $value | quote }}
  {{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: tmp
    mountPath: /tmp
{{- end }}
