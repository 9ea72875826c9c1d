package control

import (
	"context"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

func projectTarget(p *cloud.Project) target {
	return target{kind: cloud.KindProject, name: p.Name, account: p.AccountID, project: p.ID}
}

func projectSubject(p *cloud.Project) subject {
	return subject{kind: cloud.KindProject, id: string(p.ID), name: p.Name, account: p.AccountID, project: p.ID}
}

// ProjectRef names a project: by id, or by name in an account (id or name).
type ProjectRef struct{ Account, Project string }

// String is the project as the caller named it.
func (r ProjectRef) String() string { return spaceRef(r.Account, r.Project) }

func findProject(tx *store.Tx, ref ProjectRef) (*cloud.Project, error) {
	if cloud.IsID(ref.Project) {
		return tx.Project(cloud.ProjectID(ref.Project))
	}
	if ref.Project == "" {
		return nil, cloud.FieldErrorf("project", "is required")
	}
	if ref.Account == "" {
		return nil, cloud.FieldErrorf("account", "is required to find project %q by its name; or give its id", ref.Project)
	}
	a, err := findAccount(tx, ref.Account)
	var p *cloud.Project
	if err == nil {
		p, err = tx.ProjectNamed(a.ID, ref.Project)
	}
	if cloud.Is(err, cloud.NotFound) {
		err = cloud.Errorf(cloud.NotFound, "there is no %s %s", cloud.KindProject, ref)
	}
	return p, err
}

// ProjectChange is what people set of a project; nil keeps, or takes the default.
type ProjectChange struct {
	Name, Description, BaseDomain, Namespace, Folder *string
	Role                                             *cloud.Role
	Labels                                           *map[string]string
	Times                                            ProjectTimes
	DiskMiB                                          *int64
	// Secrets are the values to set by name; "" removes one.
	Secrets map[string]string
}

func (in *ProjectChange) apply(p *cloud.Project) {
	set(&p.Name, in.Name)
	set(&p.Description, in.Description)
	set(&p.BaseDomain, in.BaseDomain)
	set(&p.Namespace, in.Namespace)
	set(&p.Folder, in.Folder)
	set(&p.Role, in.Role)
	set(&p.Labels, in.Labels)
	set(&p.DiskMiB, in.DiskMiB)
	in.Times.apply(p)
}

// CreateProject makes a project in the account.
func (c *Control) CreateProject(ctx context.Context, r *Request, account string, in ProjectChange) (*cloud.Project, error) {
	var p *cloud.Project
	err := c.change(ctx, r, "project.create", func(ch *change) error {
		a, err := findAccount(ch.Tx, account)
		if err != nil {
			return err
		}
		p = &cloud.Project{
			ID: cloud.NewID[cloud.ProjectID](), AccountID: a.ID,
			ArchiveRetention: cloud.DefaultArchiveRetention, History: cloud.DefaultHistory,
		}
		in.apply(p)
		if err := r.allow(authz.Create, target{kind: cloud.KindProject, name: p.Name, account: a.ID}); err != nil {
			return hideIn(err, r, target{kind: cloud.KindAccount, account: a.ID}, account)
		}
		if _, err := ch.active(a.ID); err != nil {
			return err
		}
		p.Normalise()
		if err := ch.setSecrets(p, in.Secrets); err != nil {
			return err
		}
		if err := p.Validate(); err != nil {
			return err
		}
		if err := c.checkDomain(p.BaseDomain); err != nil {
			return err
		}
		n, err := ch.Next("project")
		if err != nil {
			return err
		}
		p.UserID = cloud.FirstProjectUser + n
		if err := ch.Tx.CreateProject(p); err != nil {
			return err
		}
		return ch.event("project.create", projectSubject(p), nil, p)
	})
	return p, err
}

// useIsSeen refuses projects whose deployments are reached past Atoll, as of most control
// scripts: nobody could tell that one is not used.
func (ch *change) useIsSeen(p *cloud.Project) error {
	ref, err := bundleOf(ch.Tx, p)
	if cloud.Is(err, cloud.Conflict) { // none yet
		return nil
	}
	if err == nil && ref.Kind != cloud.BundleProcess {
		err = cloud.FieldErrorf("idle_ttl", "needs the bundle %s: of deployments of other control scripts Atoll does not see whether they are used; give them a time to live", cloud.BundleProcess)
	}
	return err
}

// ownHosts are the names by which people and agents reach the controllers.
func (c *Control) ownHosts() (out []string) {
	if u, err := url.Parse(c.PublicURL); err == nil && u.Hostname() != "" {
		out = append(out, strings.ToLower(u.Hostname()))
	}
	if host, _, err := net.SplitHostPort(c.Advertise); err == nil && host != "" {
		out = append(out, strings.ToLower(host))
	}
	return out
}

// checkDomain refuses a base domain below which the controller itself is: a deployment
// could take its name, and with it what people mean for it.
func (c *Control) checkDomain(base string) error {
	for _, host := range c.ownHosts() {
		if strings.HasSuffix(host, "."+base) {
			return cloud.FieldErrorf("base_domain", "%q holds %s, where Atoll itself is reached: a deployment could take that name; choose another domain, such as staging.%s", base, host, base)
		}
	}
	return nil
}

// setSecrets seals the values and puts them into the project.
func (ch *change) setSecrets(p *cloud.Project, values map[string]string) error {
	list := slices.Clone(p.Secrets)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := cloud.ValidateSecret(name, values[name]); err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(s cloud.Secret) bool { return s.Name == name })
		if values[name] != "" {
			list = append(list, cloud.Secret{Name: name, Sealed: ch.c.inst.values.Seal(values[name], secretPlace(p.ID))})
		}
	}
	if len(list) > cloud.MaxSecrets {
		return cloud.FieldErrorf("secrets", "are %d; at most %d are allowed", len(list), cloud.MaxSecrets)
	}
	slices.SortFunc(list, func(a, b cloud.Secret) int { return strings.Compare(a.Name, b.Name) })
	p.Secrets = list
	return nil
}

// secretPlace is what the secrets of a project and its deployments are sealed for.
func secretPlace(id cloud.ProjectID) string { return "project " + string(id) }

// Project returns the project if the caller may see it.
func (c *Control) Project(ctx context.Context, r *Request, ref ProjectRef) (*cloud.Project, error) {
	var p *cloud.Project
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if p, err = findProject(tx, ref); err != nil {
			return err
		}
		return r.permit(authz.Read, projectTarget(p), ref.String())
	})
	return p, err
}

// Projects returns a page of the projects that the caller may see.
func (c *Control) Projects(ctx context.Context, r *Request, q store.Query) (list []cloud.Project, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Projects(r.query(cloud.KindProject, q))
		return err
	})
	return list, next, err
}

// projectFor finds the project for a change.
func (ch *change) projectFor(a authz.Action, ref ProjectRef) (*cloud.Project, error) {
	p, err := findProject(ch.Tx, ref)
	if err != nil {
		return nil, err
	}
	if err := ch.r.permit(a, projectTarget(p), ref.String()); err != nil {
		return nil, err
	}
	if _, err := ch.active(p.AccountID); err != nil {
		return nil, err
	}
	return p, ch.match(cloud.KindProject, p.Name, p.Version)
}

// UpdateProject changes the project. What runs already goes on as it began.
func (c *Control) UpdateProject(ctx context.Context, r *Request, ref ProjectRef, in ProjectChange) (*cloud.Project, error) {
	var p *cloud.Project
	err := c.change(ctx, r, "project.update", func(ch *change) (err error) {
		if p, err = ch.projectFor(authz.Update, ref); err != nil {
			return err
		}
		before := *p
		in.apply(p)
		p.Normalise()
		if err := ch.setSecrets(p, in.Secrets); err != nil {
			return err
		}
		if err := p.Validate(); err != nil {
			return err
		}
		if in.Times.IdleTTL != nil && p.IdleTTL != 0 {
			if err := ch.useIsSeen(p); err != nil {
				return err
			}
		}
		if p.BaseDomain != before.BaseDomain {
			if err := c.checkDomain(p.BaseDomain); err != nil {
				return err
			}
		}
		if err := ch.Tx.UpdateProject(p); err != nil {
			return err
		}
		return ch.event("project.update", projectSubject(p), &before, p)
	})
	return p, err
}

// DeleteProject removes a project without deployments and spaces of pages.
func (c *Control) DeleteProject(ctx context.Context, r *Request, ref ProjectRef) error {
	return c.change(ctx, r, "project.delete", func(ch *change) error {
		p, err := ch.projectFor(authz.Delete, ref)
		if err != nil {
			return err
		}
		if err := ch.LockProject(p.ID); err != nil {
			return err
		}
		left, _, err := ch.Tx.Deployments(store.Query{Limit: 1, Visible: store.Everything, Filter: []string{"project=" + string(p.ID)}})
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return cloud.Errorf(cloud.Conflict, "project %s still has deployments (%s, …); delete them first", p.Name, left[0].Name)
		}
		pages, _, err := ch.Tx.WikiSpaces(store.Query{Limit: 1, Visible: store.Everything, Filter: []string{"project=" + string(p.ID)}})
		if err != nil {
			return err
		}
		if len(pages) > 0 {
			return cloud.Errorf(cloud.Conflict, "project %s still has spaces of pages (%s, …); delete them first", p.Name, pages[0].Name)
		}
		if p.DeletedAt, err = ch.Now(); err != nil {
			return err
		}
		if err := ch.Tx.UpdateProject(p); err != nil {
			return err
		}
		if err := ch.dropLimits(projectScope(p.ID)); err != nil {
			return err
		}
		for _, end := range []func(cloud.ProjectID) error{ch.DeleteMembershipsOnProject, ch.DeleteWebhooksOnProject} {
			if err := end(p.ID); err != nil {
				return err
			}
		}
		ch.revoked()
		return ch.event("project.delete", projectSubject(p), p, nil)
	})
}

func projectScope(id cloud.ProjectID) cloud.Scope {
	return cloud.Scope{Kind: cloud.KindProject, ID: string(id)}
}

// ProjectTimes are the times of a project that people set; nil keeps.
type ProjectTimes struct {
	Script, Check, StatusInterval, StatusTimeout *time.Duration
	ArchiveRetention, History                    *time.Duration
	DefaultTTL, IdleTTL                          *time.Duration
}

func (t *ProjectTimes) apply(p *cloud.Project) {
	set(&p.ScriptTimeout, t.Script)
	set(&p.CheckTimeout, t.Check)
	set(&p.StatusInterval, t.StatusInterval)
	set(&p.StatusTimeout, t.StatusTimeout)
	set(&p.ArchiveRetention, t.ArchiveRetention)
	set(&p.History, t.History)
	set(&p.DefaultTTL, t.DefaultTTL)
	set(&p.IdleTTL, t.IdleTTL)
}
