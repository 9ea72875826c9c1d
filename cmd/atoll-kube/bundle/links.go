package bundle

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// info answers with the links of a deployment, a name and an address each. It reads them from what the arguments render to, since it is
// asked before anything is deployed.
func (r *run) info(ctx context.Context) error {
	list, err := r.rendered(ctx)
	if err != nil {
		return err
	}
	var links Pairs
	for _, o := range list {
		var found []string
		switch o.GroupVersionKind().GroupKind().String() {
		case "Ingress.networking.k8s.io":
			found = ingressLinks(o)
		case "HTTPRoute.gateway.networking.k8s.io":
			found = routeLinks(o, r.config.RouteScheme)
		}
		seen := map[string]bool{}
		for _, link := range found {
			if !seen[link] && !strings.Contains(link, "*") {
				links = append(links, Pair{o.GetName(), link})
			}
			seen[link] = true
		}
	}
	return r.writePairs(links)
}

// ingressLinks returns an address for each host of an Ingress; it is https where the Ingress has a certificate for the host.
func ingressLinks(o unstructured.Unstructured) (links []string) {
	secure := map[string]bool{}
	for _, tls := range items(o.Object, "spec", "tls") {
		hosts, _, _ := unstructured.NestedStringSlice(tls, "hosts")
		if len(hosts) == 0 {
			hosts = []string{""} // the certificate says for which hosts it is
		}
		for _, h := range hosts {
			secure[h] = true
		}
	}
	for _, rule := range items(o.Object, "spec", "rules") {
		host, _, _ := unstructured.NestedString(rule, "host")
		if host == "" {
			continue
		}
		_, domain, _ := strings.Cut(host, ".")
		scheme := "http"
		if secure[host] || secure["*."+domain] || secure[""] {
			scheme = "https"
		}
		path := ""
		if paths := items(rule, "http", "paths"); len(paths) == 1 {
			path, _, _ = unstructured.NestedString(paths[0], "path")
		}
		links = append(links, scheme+"://"+host+plainPath(path))
	}
	return links
}

// routeLinks returns an address for each host of an HTTPRoute. Which protocol its gateway speaks the route says at most by the name of the
// gateway's section.
func routeLinks(o unstructured.Unstructured, scheme string) (links []string) {
	for _, parent := range items(o.Object, "spec", "parentRefs") {
		switch section, _, _ := unstructured.NestedString(parent, "sectionName"); {
		case strings.HasPrefix(section, "https"):
			scheme = "https"
		case strings.HasPrefix(section, "http"):
			scheme = "http"
		}
	}
	hosts, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "hostnames")
	for _, h := range hosts {
		links = append(links, scheme+"://"+h)
	}
	return links
}

// plainPath drops a path that is the root or no path but a pattern.
func plainPath(p string) string {
	if p == "/" || strings.ContainsAny(p, "(*[$^|") {
		return ""
	}
	return p
}

// items returns the objects of a list.
func items(o map[string]any, field ...string) (found []map[string]any) {
	list, _, _ := unstructured.NestedFieldNoCopy(o, field...)
	all, _ := list.([]any)
	for _, item := range all {
		if m, ok := item.(map[string]any); ok {
			found = append(found, m)
		}
	}
	return found
}
