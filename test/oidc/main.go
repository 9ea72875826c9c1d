// Command oidc is an OpenID Connect provider for tests: the provider of a certified
// library with its own sign-in form, and the people of a JSON file, which is read
// anew each time, so that tests can change what it says of them.
//
// It is for tests only: passwords are in clear, and some of its clients get tokens
// that are wrong in one way.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The clients, all with the secret "secret". Those but the first are given tokens
// that are wrong: with the nonce of another sign-in, or that have expired.
const (
	clientRight   = "atoll"
	clientNonce   = "wrong-nonce"
	clientExpired = "expired"
)

// person is what the file holds for each id.
type person struct {
	storage.User
	Groups []string
}

// people reads the file.
type people struct{ file string }

func (p people) all() map[string]*person {
	out := map[string]*person{}
	b, err := os.ReadFile(p.file)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		slog.Error("read the people", "err", err)
	}
	return out
}

func (p people) GetUserByID(id string) *storage.User {
	if u := p.all()[id]; u != nil {
		return &u.User
	}
	return nil
}

func (p people) GetUserByUsername(name string) *storage.User {
	for _, u := range p.all() {
		if u.Username == name {
			return &u.User
		}
	}
	return nil
}

func (people) ExampleClientID() string { return "none" }

// store adds groups to what is said of people, and the mistakes.
type store struct {
	*storage.Storage
	people people
}

func (s *store) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, token, subject, origin string) error {
	if err := s.Storage.SetUserinfoFromToken(ctx, info, token, subject, origin); err != nil {
		return err
	}
	if u := s.people.all()[subject]; u != nil {
		info.AppendClaims("groups", u.Groups)
	}
	return nil
}

func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{c}, nil
}

func (s *store) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	r, err := s.Storage.AuthRequestByCode(ctx, code)
	if err == nil && r.GetClientID() == clientNonce {
		return foreign{r}, nil
	}
	return r, err
}

type foreign struct{ op.AuthRequest }

func (foreign) GetNonce() string { return "of another sign-in" }

type client struct{ op.Client }

func (c client) IDTokenLifetime() time.Duration {
	if c.GetID() == clientExpired {
		return -time.Hour
	}
	return c.Client.IDTokenLifetime()
}

// RedirectURIGlobs allow the tests' controllers, whose ports are not known before.
func (c client) RedirectURIGlobs() []string {
	return []string{"http://127.0.0.1:*/api/v1/login/oidc/*/callback"}
}

func (c client) PostLogoutRedirectURIGlobs() []string { return nil }

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	file := flag.String("people", "", "JSON file of the people by id")
	flag.Parse()
	slog.Error("the provider ended", "err", serve(*listen, people{*file}))
	os.Exit(1)
}

func serve(listen string, p people) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	issuer := fmt.Sprintf("http://%s/", l.Addr())
	for _, id := range []string{clientRight, clientNonce, clientExpired} {
		storage.RegisterClients(storage.WebClient(id, "secret", issuer+"unused"))
	}
	router := exampleop.SetupServer(issuer, &store{storage.NewStorage(p), p}, slog.New(slog.NewTextHandler(os.Stderr, nil)), false)
	fmt.Println(issuer)
	return (&http.Server{Handler: router, ReadHeaderTimeout: time.Minute}).Serve(l)
}
