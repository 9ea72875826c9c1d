package control

import (
	"context"
	"slices"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/job"
	"atoll/internal/pki"
	"atoll/internal/store"
	"atoll/internal/wire"
)

func nodeSubject(n *cloud.Node) subject {
	return subject{kind: cloud.KindNode, id: string(n.ID), name: n.Name}
}

// NewJoinToken says which nodes a join token lets in.
type NewJoinToken struct {
	Uses     int64
	Roles    []cloud.Role // what the nodes may offer; empty for all
	TTL      time.Duration
	Location string // id or name; "" is the only one
}

// CreateJoinToken makes a join token. Its text is returned once; only the hash
// is kept.
func (c *Control) CreateJoinToken(ctx context.Context, r *Request, in NewJoinToken) (text string, t *cloud.JoinToken, err error) {
	err = c.change(ctx, r, "join-token.create", func(ch *change) error {
		if err := r.allow(authz.Create, target{kind: cloud.KindJoinToken, name: "here"}); err != nil {
			return err
		}
		if in.Uses < 1 || in.Uses > 100000 {
			return cloud.FieldErrorf("uses", "must be 1 to 100000, not %d", in.Uses)
		}
		if in.TTL < time.Minute || in.TTL > 366*24*time.Hour {
			return cloud.FieldErrorf("ttl", "must be 1m to a year")
		}
		if err := cloud.ValidateRoles(in.Roles); err != nil {
			return err
		}
		if len(in.Roles) == 0 {
			in.Roles = cloud.Roles
		}
		l, err := locationOr(ch.Tx, in.Location)
		if err != nil {
			return err
		}
		now, err := ch.Now()
		if err != nil {
			return err
		}
		id := cloud.NewID[cloud.JoinTokenID]()
		secret, hash := pki.NewToken("")
		text = pki.FormatJoinToken(pki.JoinToken{ID: string(id), Secret: secret, CAHash: c.inst.ca.Hash()})
		t = &cloud.JoinToken{ID: id, Hash: hash, LocationID: l.ID, Roles: in.Roles, UsesLeft: in.Uses, ExpiresAt: now.Add(in.TTL)}
		if err := ch.CreateJoinToken(t); err != nil {
			return err
		}
		return ch.event("join-token.create", subject{kind: cloud.KindJoinToken, id: string(id), name: string(id)}, nil, t)
	})
	return text, t, err
}

// AgentServers returns where agents reach the controllers that live: what
// `atoll agent --server` takes.
func (c *Control) AgentServers(ctx context.Context) ([]string, error) {
	at := []string{c.Advertise}
	err := c.view(ctx, func(tx *store.Tx) error {
		now, err := tx.Now()
		if err != nil {
			return err
		}
		live, err := tx.ControllerAddresses(now.Add(-c.Lease))
		at = append(at, live...)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(at)
	out := []string{}
	for _, hostPort := range slices.Compact(at) {
		if hostPort != "" {
			out = append(out, "https://"+hostPort)
		}
	}
	return out, nil
}

// JoinToken returns the join token.
func (c *Control) JoinToken(ctx context.Context, r *Request, id cloud.JoinTokenID) (*cloud.JoinToken, error) {
	if err := r.allow(authz.Read, target{kind: cloud.KindJoinToken, name: string(id)}); err != nil {
		return nil, err
	}
	var t *cloud.JoinToken
	err := c.view(ctx, func(tx *store.Tx) (err error) { t, err = tx.JoinToken(id); return err })
	return t, err
}

// JoinTokens returns a page of join tokens.
func (c *Control) JoinTokens(ctx context.Context, r *Request, q store.Query) (list []cloud.JoinToken, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		if err := r.mayList(cloud.KindJoinToken); err != nil {
			return err
		}
		list, next, err = tx.JoinTokens(r.query(cloud.KindJoinToken, q))
		return err
	})
	return list, next, err
}

// DeleteJoinToken makes a join token useless.
func (c *Control) DeleteJoinToken(ctx context.Context, r *Request, id cloud.JoinTokenID) error {
	return c.change(ctx, r, "join-token.delete", func(ch *change) error {
		if err := r.allow(authz.Delete, target{kind: cloud.KindJoinToken, name: string(id)}); err != nil {
			return err
		}
		t, err := ch.JoinToken(id)
		if err != nil {
			return err
		}
		if t.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		if err := ch.UpdateJoinToken(t); err != nil {
			return err
		}
		return ch.event("join-token.delete", subject{kind: cloud.KindJoinToken, id: string(id), name: string(id)}, t, nil)
	})
}

// nodeCert is how long an agent's certificate holds.
const nodeCert = 30 * 24 * time.Hour

// Join takes a new node in and gives its agent a certificate.
func (c *Control) Join(ctx context.Context, in *wire.JoinRequest, address string) (*wire.JoinAnswer, error) {
	tok, err := pki.ParseJoinToken(in.Token)
	if err != nil {
		return nil, cloud.Errorf(cloud.Unauthenticated, "this is no join token; make one with 'atoll node token create'")
	}
	n := &cloud.Node{
		ID: cloud.NewID[cloud.NodeID](), Name: in.Name, State: cloud.NodeJoining, Simulated: in.Simulated,
		Facts: in.Facts, CPUOvercommit: 400, BootID: in.Facts.BootID,
	}
	var cert pki.Certificate
	err = c.DB.Update(ctx, func(tx *store.Tx) error {
		t, err := useJoinToken(tx, pki.HashToken(tok.Secret))
		if err != nil {
			return err
		}
		n.LocationID, n.Roles = t.LocationID, common(t.Roles, in.Roles)
		if err := n.Validate(); err != nil {
			return err
		}
		old, err := simulatedBefore(tx, n)
		if err != nil {
			return err
		}
		if old != nil {
			n.ID, n.Meta = old.ID, old.Meta
		}
		if cert, err = c.inst.ca.IssueNode(in.CSR, string(n.ID), nodeCert, time.Now()); err != nil {
			return cloud.Wrap(cloud.Invalid, err, "the certificate request cannot be used")
		}
		n.CertSerial = cert.Serial()
		if err := admit(tx, n, old); err != nil {
			return err
		}
		if err := setCapacity(tx, n); err != nil {
			return err
		}
		return tx.AddEvent(&cloud.Event{
			Class: cloud.ClassAuth, Actor: string(n.ID), ActorName: n.Name, Credential: tok.ID, Address: address,
			SubjectKind: cloud.KindNode, SubjectID: string(n.ID), SubjectName: n.Name, Action: "node.join", Outcome: cloud.OutcomeOK,
		})
	})
	if err != nil {
		return nil, err
	}
	return &wire.JoinAnswer{Node: n.ID, Certificate: cert.PEM, CA: c.inst.ca.CertPEM()}, nil
}

// simulatedBefore returns the simulated node of that name, which a simulated one
// that starts anew takes over: its identity was in memory only.
func simulatedBefore(tx *store.Tx, n *cloud.Node) (*cloud.Node, error) {
	old, err := tx.NodeNamed(n.Name)
	if cloud.Is(err, cloud.NotFound) || err == nil && !(old.Simulated && n.Simulated) {
		return nil, nil
	}
	return old, err
}

// admit writes the row of a node that joins.
func admit(tx *store.Tx, n, old *cloud.Node) error {
	if old == nil {
		err := tx.CreateNode(n)
		if store.IsTaken(err, "name") {
			return cloud.Errorf(cloud.Conflict, "a node named %s exists; delete it or start this agent with another --name", n.Name)
		}
		return err
	}
	if err := tx.RevokeCertificates(n.ID, old.CertSerial); err != nil {
		return err
	}
	return tx.UpdateNode(n)
}

func useJoinToken(tx *store.Tx, hash string) (*cloud.JoinToken, error) {
	t, err := tx.UseJoinToken(hash)
	if !cloud.Is(err, cloud.NotFound) {
		return t, err
	}
	if _, err := tx.JoinTokenByHash(hash); cloud.Is(err, cloud.NotFound) {
		return nil, cloud.Errorf(cloud.Unauthenticated, "this join token does not exist or was deleted")
	}
	return nil, cloud.Errorf(cloud.Unauthenticated, "this join token is used up or has expired; make another one")
}

// common are the roles that the token allows and the agent offers.
func common(allowed, offered []cloud.Role) []cloud.Role {
	var out []cloud.Role
	for _, r := range allowed {
		if slices.Contains(offered, r) {
			out = append(out, r)
		}
	}
	return out
}

// Renew gives an agent its next certificate.
func (c *Control) Renew(ctx context.Context, id cloud.NodeID, csr []byte) (*wire.JoinAnswer, error) {
	cert, err := c.inst.ca.IssueNode(csr, string(id), nodeCert, time.Now())
	if err != nil {
		return nil, cloud.Wrap(cloud.Invalid, err, "the certificate request cannot be used")
	}
	err = c.DB.Update(ctx, func(tx *store.Tx) error {
		n, err := knownNode(tx, id)
		if err != nil {
			return err
		}
		n.CertSerial = cert.Serial()
		return tx.UpdateNode(n)
	})
	if err != nil {
		return nil, err
	}
	return &wire.JoinAnswer{Node: id, Certificate: cert.PEM, CA: c.inst.ca.CertPEM()}, nil
}

func findNode(tx *store.Tx, ref string) (*cloud.Node, error) {
	if cloud.IsID(ref) {
		return tx.Node(cloud.NodeID(ref))
	}
	return tx.NodeNamed(ref)
}

// Node returns the node by id or name.
func (c *Control) Node(ctx context.Context, r *Request, ref string) (*cloud.Node, error) {
	var n *cloud.Node
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if err := r.allow(authz.Read, target{kind: cloud.KindNode, name: ref}); err != nil {
			return err
		}
		n, err = findNode(tx, ref)
		return err
	})
	return n, err
}

// Nodes returns a page of nodes.
func (c *Control) Nodes(ctx context.Context, r *Request, q store.Query) (list []cloud.Node, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		if err := r.mayList(cloud.KindNode); err != nil {
			return err
		}
		list, next, err = tx.Nodes(r.query(cloud.KindNode, q))
		return err
	})
	return list, next, err
}

// NodeChange is what an operator may set; nil keeps.
type NodeChange struct {
	Name          *string
	Cordoned      *bool
	Labels        *map[string]string
	CPUOvercommit *int64
}

// UpdateNode changes what an operator may set.
func (c *Control) UpdateNode(ctx context.Context, r *Request, ref string, in NodeChange) (*cloud.Node, error) {
	var n *cloud.Node
	err := c.change(ctx, r, "node.update", func(ch *change) (err error) {
		if n, err = ch.nodeFor(authz.Update, ref); err != nil {
			return err
		}
		before := *n
		set(&n.Name, in.Name)
		set(&n.Cordoned, in.Cordoned)
		set(&n.Labels, in.Labels)
		set(&n.CPUOvercommit, in.CPUOvercommit)
		if err := n.Validate(); err != nil {
			return err
		}
		if err := ch.UpdateNode(n); err != nil {
			return err
		}
		if err := setCapacity(ch.Tx, n); err != nil {
			return err
		}
		return ch.event("node.update", nodeSubject(n), &before, n)
	})
	return n, err
}

func (ch *change) nodeFor(a authz.Action, ref string) (*cloud.Node, error) {
	if err := ch.r.allow(a, target{kind: cloud.KindNode, name: ref}); err != nil {
		return nil, err
	}
	n, err := findNode(ch.Tx, ref)
	if err != nil {
		return nil, err
	}
	return n, ch.match(cloud.KindNode, n.Name, n.Version)
}

// DeleteNode forgets a node that holds nothing and revokes its certificate; its
// agent is refused from then on.
func (c *Control) DeleteNode(ctx context.Context, r *Request, ref string) error {
	var n *cloud.Node
	err := c.change(ctx, r, "node.delete", func(ch *change) (err error) {
		if n, err = ch.nodeFor(authz.Delete, ref); err != nil {
			return err
		}
		machines, err := ch.MachinesOn(n.ID)
		if err != nil {
			return err
		}
		if len(machines) > 0 {
			return cloud.StateErrorf(string(n.State), "node %s still has %d machines (%s, …); delete them first, with --force if the node is gone for good", n.Name, len(machines), machines[0].Name)
		}
		if err := ch.dropNetworks(n); err != nil {
			return err
		}
		if err := c.jobs.Abandon(ch.Tx, n.ID); err != nil {
			return err
		}
		left, err := ch.LeftoversOn(n.ID)
		if err != nil {
			return err
		}
		now, err := ch.Now()
		if err != nil {
			return err
		}
		for i := range left { // with the node goes what it held
			left[i].DeletedAt = now
			if err := ch.UpdateLeftover(&left[i]); err != nil {
				return err
			}
		}
		if err := ch.RevokeCertificates(n.ID, n.CertSerial); err != nil {
			return err
		}
		n.DeletedAt = now
		if err := ch.UpdateNode(n); err != nil {
			return err
		}
		return ch.event("node.delete", nodeSubject(n), n, nil)
	})
	if err == nil {
		c.jobs.Forget(n.ID)
	}
	return err
}

// dropNetworks frees the empty cloudspaces whose gateway was on the node.
func (ch *change) dropNetworks(n *cloud.Node) error {
	spaces, err := ch.CloudspacesOn(n.ID)
	if err != nil {
		return err
	}
	for i := range spaces {
		spaces[i].NodeID = ""
		if err := ch.UpdateCloudspace(&spaces[i]); err != nil {
			return err
		}
	}
	return nil
}

// KnownNode returns Unauthenticated if the node was deleted: an older certificate
// of it may still hold.
func (c *Control) KnownNode(ctx context.Context, id cloud.NodeID) error {
	return c.view(ctx, func(tx *store.Tx) error {
		_, err := knownNode(tx, id)
		return err
	})
}

func knownNode(tx *store.Tx, id cloud.NodeID) (*cloud.Node, error) {
	n, err := tx.Node(id)
	return n, deletedNode(id, err)
}

// deletedNode is the error for the agent of a node that is not there any more.
func deletedNode(id cloud.NodeID, err error) error {
	if cloud.Is(err, cloud.NotFound) {
		return cloud.Errorf(cloud.Unauthenticated, "node %s was deleted; join again with a new token", id)
	}
	return err
}

// Agent checks that the node behind a certificate may talk to us and takes in
// what it reports of itself.
func (c *Control) Agent(ctx context.Context, id cloud.NodeID, x *wire.Exchange) (job.Peer, error) {
	p := job.Peer{Node: id}
	var state cloud.NodeState
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		state, p.Roles, p.Location, err = tx.NodePlace(id)
		return deletedNode(id, err)
	})
	if err != nil {
		return job.Peer{}, err
	}
	// A node that was away may have been observed differently meanwhile.
	p.Resend = state == cloud.NodeOffline && x.Inventory == nil
	if state != cloud.NodeOnline || x.Facts != nil {
		n, err := c.heard(ctx, id, x)
		if err != nil {
			return job.Peer{}, err
		}
		p.Roles, p.Location = n.Roles, n.LocationID
	}
	if x.Inventory != nil {
		if err := c.observe(ctx, id, x.Inventory); err != nil {
			return job.Peer{}, err
		}
	}
	if len(x.Usage) > 0 {
		if err := c.usage(ctx, id, x.Usage); err != nil {
			return job.Peer{}, err
		}
	}
	return p, nil
}

// heard makes a node online and keeps its facts. It returns the node as it is now.
func (c *Control) heard(ctx context.Context, id cloud.NodeID, x *wire.Exchange) (n *cloud.Node, err error) {
	err = c.DB.Update(ctx, func(tx *store.Tx) (err error) {
		if n, err = tx.Node(id); err != nil {
			return err
		}
		was := n.State
		if n.LastSeenAt, err = tx.Now(); err != nil {
			return err
		}
		n.State, n.AgentVersion = cloud.NodeOnline, x.Agent
		if x.Facts != nil {
			n.Facts, n.BootID = *x.Facts, x.Facts.BootID
			if err := setCapacity(tx, n); err != nil {
				return err
			}
		}
		if err := tx.UpdateNode(n); err != nil {
			return err
		}
		if was == cloud.NodeOnline {
			return nil
		}
		tx.OnCommit(func() { signal(c.cleared) })
		return stateEvent(tx, "node.online", nodeSubject(n), "")
	})
	return n, err
}

// usage counts what the node's own machines moved, also those that were deleted
// since.
func (c *Control) usage(ctx context.Context, node cloud.NodeID, list []wire.Usage) error {
	return c.DB.Update(ctx, func(tx *store.Tx) error {
		for _, u := range list {
			m, err := tx.MachineEvenDeleted(u.Machine)
			if cloud.Is(err, cloud.NotFound) || err == nil && m.NodeID != node {
				continue
			}
			if err != nil {
				return err
			}
			if err := tx.CountUsage(u.Machine, u.Since, u.Counters()); err != nil {
				return err
			}
		}
		return nil
	})
}

// watchNodes marks silent nodes as offline; what runs on them is unknown.
func (c *Control) watchNodes(ctx context.Context) error {
	var ear job.Ear
	return c.loop(ctx, "watch-nodes", c.Pace.Nodes, func(ctx context.Context) error {
		return c.DB.Update(ctx, func(tx *store.Tx) error {
			now, err := tx.Now()
			if err != nil || ear.Listened(now, c.NodeOffline*2/3) < c.NodeOffline {
				return err
			}
			silent, err := tx.SilentNodes(now.Add(-c.NodeOffline))
			if err != nil {
				return err
			}
			for i := range silent {
				if err := c.offline(tx, &silent[i], now); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (c *Control) offline(tx *store.Tx, n *cloud.Node, now cloud.Time) error {
	n.State = cloud.NodeOffline
	if err := tx.UpdateNode(n); err != nil {
		return err
	}
	machines, err := tx.MachinesOn(n.ID)
	if err != nil {
		return err
	}
	for i := range machines {
		if err := tx.ObserveMachine(machines[i].ID, cloud.PowerUnknown, now); err != nil {
			return err
		}
	}
	return stateEvent(tx, "node.offline", nodeSubject(n), "its agent was not heard for "+c.NodeOffline.String())
}

// Revoked returns the certificate serials that must not be let in.
func (c *Control) Revoked(ctx context.Context) ([]string, error) {
	var list []string
	err := c.view(ctx, func(tx *store.Tx) (err error) { list, err = tx.RevokedCertificates(); return err })
	return list, err
}
