package control

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"atoll/internal/cloud"
	"atoll/internal/pki"
	"atoll/internal/store"
	"atoll/internal/store/storetest"
	"atoll/internal/wire"
)

func newCSR(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := pki.NewCSR(key)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

func joinRequest(t *testing.T, token, name string) *wire.JoinRequest {
	t.Helper()
	return &wire.JoinRequest{
		Token: token, Name: name, CSR: newCSR(t), Roles: cloud.Roles,
		Facts: cloud.NodeFacts{Hostname: name, CPUs: 4, MemoryMiB: 1000, DiskMiB: 10 << 10, Accelerator: "tcg", BootID: "b1"},
	}
}

func TestJoinTokens(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		here := newLocation(t, c, "here")
		for _, bad := range []NewJoinToken{
			{Uses: 0, TTL: time.Hour},
			{Uses: 1, TTL: time.Second},
			{Uses: 1, TTL: time.Hour, Roles: []cloud.Role{"king"}},
		} {
			bad.Location = "here"
			_, _, err := c.CreateJoinToken(ctx, operator, bad)
			wantKind(t, "a bad join token", err, cloud.Invalid)
		}
		text, tok, err := c.CreateJoinToken(ctx, operator, NewJoinToken{Uses: 2, TTL: time.Hour, Location: "here", Roles: []cloud.Role{cloud.RoleCompute}})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.Join(ctx, joinRequest(t, text, "n1"), "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		n, err := c.Node(ctx, operator, "n1")
		if err != nil || n.ID != answer.Node || n.LocationID != here.ID || !slices.Equal(n.Roles, []cloud.Role{cloud.RoleCompute}) || n.State != cloud.NodeJoining {
			t.Errorf("node = %+v, %v; want it joining with the token's role", n, err)
		}
		_, err = c.Join(ctx, joinRequest(t, text, "n1"), "192.0.2.2")
		wantKind(t, "join under a taken name", err, cloud.Conflict)
		if _, err = c.Join(ctx, joinRequest(t, text, "n2"), "192.0.2.2"); err != nil {
			t.Errorf("the second use, after one that was refused = %v", err)
		}
		_, err = c.Join(ctx, joinRequest(t, text, "n3"), "192.0.2.3")
		wantKind(t, "join with a token that is used up", err, cloud.Unauthenticated)
		_, err = c.Join(ctx, joinRequest(t, "atoll-join.x.y.z", "n3"), "192.0.2.3")
		wantKind(t, "join with no token", err, cloud.Unauthenticated)

		text, tok, err = c.CreateJoinToken(ctx, operator, NewJoinToken{Uses: 5, TTL: time.Hour, Location: "here"})
		if err != nil {
			t.Fatal(err)
		}
		inTx(t, c, func(tx *store.Tx) error {
			old, err := tx.JoinToken(tok.ID)
			if err != nil {
				return err
			}
			old.ExpiresAt = cloud.Now().Add(-time.Minute)
			return tx.UpdateJoinToken(old)
		})
		_, err = c.Join(ctx, joinRequest(t, text, "n3"), "192.0.2.3")
		wantKind(t, "join with an expired token", err, cloud.Unauthenticated)
		text, tok, err = c.CreateJoinToken(ctx, operator, NewJoinToken{Uses: 5, TTL: time.Hour, Location: "here"})
		if err == nil {
			err = c.DeleteJoinToken(ctx, operator, tok.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Join(ctx, joinRequest(t, text, "n3"), "192.0.2.3")
		wantKind(t, "join with a deleted token", err, cloud.Unauthenticated)
	})
}

func TestAgentServers(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		c.Advertise = "ctrl-01:8443"
		inTx(t, c, func(tx *store.Tx) error {
			return errors.Join(
				tx.SeenController(c.ID, c.Advertise),
				tx.SeenController("c2", "ctrl-02:8443"),
				tx.SeenController("c3", "ctrl-03:8443"),
			)
		})
		storetest.Exec(t, c.DB, "UPDATE controllers SET seen_at = 1 WHERE id = 'c3'") // it was killed
		got, err := c.AgentServers(t.Context())
		if want := []string{"https://ctrl-01:8443", "https://ctrl-02:8443"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("AgentServers() = %q, %v; want %q", got, err, want)
		}
	})
}

func TestRenewAndDeleteNode(t *testing.T) {
	t.Parallel()
	eachCatalog(t, func(t *testing.T, c *Control) {
		ctx := t.Context()
		newLocation(t, c, "here")
		text, _, err := c.CreateJoinToken(ctx, operator, NewJoinToken{Uses: 2, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		joined, err := c.Join(ctx, joinRequest(t, text, "n1"), "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		first, err := c.Node(ctx, operator, "n1")
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Renew(ctx, joined.Node, []byte("nonsense"))
		wantKind(t, "renewal without a request", err, cloud.Invalid)
		if _, err := c.Renew(ctx, joined.Node, newCSR(t)); err != nil {
			t.Fatal(err)
		}
		second, err := c.Node(ctx, operator, "n1")
		if err != nil || second.CertSerial == first.CertSerial {
			t.Errorf("renewal kept serial %s, %v", second.CertSerial, err)
		}
		if list, err := c.Revoked(ctx); err != nil || len(list) != 0 { // the agent may not have got the new one
			t.Errorf("revoked after a renewal = %v, %v; want none", list, err)
		}
		if _, err := c.Agent(ctx, joined.Node, &wire.Exchange{Agent: "test"}); err != nil {
			t.Errorf("exchange of a node = %v", err)
		}

		j := &cloud.Job{Action: cloud.ActionNoop, TargetNode: joined.Node}
		if err := c.CreateJobs(ctx, operator, []*cloud.Job{j}); err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteNode(ctx, operator, "n1"); err != nil {
			t.Fatal(err)
		}
		if list, err := c.Revoked(ctx); err != nil || !slices.Contains(list, second.CertSerial) {
			t.Errorf("revoked = %v, %v; want %s among them", list, err, second.CertSerial)
		}
		_, err = c.Agent(ctx, joined.Node, &wire.Exchange{Agent: "test"})
		wantKind(t, "exchange of a deleted node", err, cloud.Unauthenticated)
		_, err = c.Renew(ctx, joined.Node, newCSR(t))
		wantKind(t, "renewal of a deleted node", err, cloud.Unauthenticated)
		wantKind(t, "a deleted node with an older certificate", c.KnownNode(ctx, joined.Node), cloud.Unauthenticated)
		if got, err := c.Job(ctx, operator, j.ID); err != nil || got.State != cloud.JobCanceled {
			t.Errorf("job that waited for the deleted node = %+v, %v; want it canceled", got, err)
		}
		if _, err := c.Join(ctx, joinRequest(t, text, "n1"), "192.0.2.1"); err != nil {
			t.Errorf("the name of a deleted node cannot be taken again: %v", err)
		}
	})
}
