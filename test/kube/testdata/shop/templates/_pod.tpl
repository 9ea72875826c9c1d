{{- define "pod" }}
metadata:
  labels: {app: {{ .root.Release.Name }}-{{ .name }}}
  annotations: {atoll.test/behave: {{ get .root.Values.behave .name | default "" | quote }}}
spec:
  {{- if .root.Values.pullSecret }}
  imagePullSecrets: [{name: {{ .root.Values.pullSecret }}}]
  {{- end }}
  {{- if .root.Values.real }}
  nodeSelector: {atoll.test/node: real}
  {{- else }}
  nodeSelector: {atoll.test/node: fake}
  {{- end }}
  automountServiceAccountToken: false
  {{- if .restart }}
  restartPolicy: {{ .restart }}
  {{- end }}
  {{- if .root.Values.migrate }}
  initContainers:
    - {name: migrate, image: {{ .root.Values.migrate }}}
  {{- end }}
  containers:
    - name: main
      image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag }}"
      imagePullPolicy: {{ .root.Values.pullPolicy }}
      {{- if .root.Values.real }}
      readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
      {{- end }}
{{- end }}
