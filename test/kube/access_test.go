package kube

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// TestPullSecret looks images up with the credentials that the cluster would pull them with.
func TestPullSecret(t *testing.T) {
	t.Parallel()
	images := registry.New(registry.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, password, _ := r.BasicAuth(); u != "u" || password != "p" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		images.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	push(t, host+"/private/web:1.0", remote.WithAuth(&authn.Basic{Username: "u", Password: "p"}))

	p := newProject(t, shared.Cluster)
	config := []string{"image.repository=" + host + "/private/web", "pullSecret=login"}
	p.fails(t, slow, "its credentials belong into", "config_check", config...)
	p.apply(t, `{apiVersion: v1, kind: Secret, metadata: {name: login, namespace: `+p.namespace+`}, type: kubernetes.io/dockerconfigjson,
		stringData: {.dockerconfigjson: '{"auths": {"http://`+host+`": {"auth": "`+base64.StdEncoding.EncodeToString([]byte("u:p"))+`"}}}'}}`)
	p.ok(t, "config_check", config...)
}

// TestRoute deploys what the Gateway API adds to a cluster.
func TestRoute(t *testing.T) {
	t.Parallel()
	p := newProject(t, shared.Cluster)
	p.apply(t, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: httproutes.gateway.networking.k8s.io
  annotations: {api-approved.kubernetes.io: "https://github.com/kubernetes-sigs/gateway-api/pull/2538"}
spec:
  group: gateway.networking.k8s.io
  scope: Namespaced
  names: {kind: HTTPRoute, listKind: HTTPRouteList, plural: httproutes, singular: httproute}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`)
	wait(t, "the cluster knows routes, and info shows one", func() bool {
		r := p.script(t.Context(), "info", "route=true")
		return r.code == 0 && r.stdout == "orange-web,http://orange.example.org\norange-route,https://route.example.org\n"
	})
	p.ok(t, "create", "route=true")
	p.reaches(t, "check", 0, "route=true")
	p.ok(t, "cleanup", "route=true")
}
