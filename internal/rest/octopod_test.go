package rest

import (
	"net/http"
	"strings"
	"testing"

	"atoll/internal/cloud"
)

// TestOctopodAccess does every call of Octopod's API as nobody, as a stranger, with
// tokens of another account, as a reader and as somebody who may.
func TestOctopodAccess(t *testing.T) {
	w := newWorldWith(t, Config{AddressRate: Rate{10000, 10000}})
	ids := fixture(w)
	member, reader, stranger := w.user("member", "", cloud.ScopeAdmin), w.user("reader", "", cloud.ScopeReader), w.user("stranger", "", "")
	neighbour, limited := w.neighbours()
	bodies := map[string]string{
		"POST deployments": `{"name":"feature","app_overrides":[],"deployment_overrides":[]}`, "PUT deployments/{name}": `{"app_overrides":[],"deployment_overrides":[]}`,
		"POST application_overrides": `[]`, "POST application_override_keys": `[]`,
	}
	last := "DELETE deployments/{name}/delete" // of what the others need
	routes := []string{}
	for route := range octopodRoutes() {
		if route != last {
			routes = append(routes, route)
		}
	}
	for _, route := range append(routes, "GET event", last) {
		t.Run(strings.ReplaceAll(route, "/", "_"), func(t *testing.T) {
			method, path, _ := strings.Cut(route, " ")
			if path != "event" {
				path = "api/v1/" + path
			}
			path = octopodPath + ids["project"] + "/" + strings.NewReplacer("{name}", "main", "{action}", "7").Replace(path)
			ask := func(token string) int {
				t.Helper()
				return w.do(token, method, path, bodies[route]).StatusCode
			}
			if got := ask(""); got != http.StatusUnauthorized {
				t.Errorf("nobody gets %d", got)
			}
			if got := ask("nonsense"); got != http.StatusUnauthorized {
				t.Errorf("a wrong token gets %d", got)
			}
			for _, token := range []string{stranger, neighbour, limited} {
				if got := ask(token); got != http.StatusNotFound {
					t.Errorf("a stranger gets %d", got)
				}
			}
			reads := method == http.MethodGet || strings.HasPrefix(route, "POST application")
			refused := func(status int) bool { return status == 401 || status == 403 || status == 404 }
			if got := ask(reader); reads == refused(got) {
				t.Errorf("a reader gets %d", got)
			}
			if got := ask(member); refused(got) {
				t.Errorf("a member gets %d", got)
			}
		})
	}
	if text := w.get("", octopodPath+"x/api/v1/ping").text; text == "" || strings.HasPrefix(text, "{") {
		t.Errorf("a refusal says %q; clients of the original show it as it is", text)
	}
}

// TestOctopodSession takes a browser's session; changes need its secret too.
func TestOctopodSession(t *testing.T) {
	w := newWorld(t)
	ids := fixture(w)
	w.user("ada", "", cloud.ScopeAdmin)
	_, session, cookie := w.login("ada", "correct horse battery")
	path := octopodPath + ids["project"] + "/api/v1/"
	w.get("", path+"project_name", "Cookie", cookie).status(http.StatusOK)
	w.do("", http.MethodDelete, path+"deployments/main", nil, "Cookie", cookie).status(http.StatusForbidden)
	w.do("", http.MethodDelete, path+"deployments/main", nil, "Cookie", cookie, csrfHeader, session.CSRF).status(http.StatusOK)
}
