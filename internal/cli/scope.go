package cli

import (
	"cmp"
	"context"
	"slices"

	"atoll/api"
	"atoll/client"
)

// defaults are the account and cloudspace of the flags, else of the context.
func (a *app) defaults() (account, cloudspace string, err error) {
	cur, err := a.current()
	if err != nil {
		return "", "", err
	}
	account = cmp.Or(a.account, cur.Account)
	cloudspace = a.cloudspace
	if cloudspace == "" && (a.account == "" || a.account == cur.Account) { // the context's is in the context's account
		cloudspace = cur.Cloudspace
	}
	return account, cloudspace, nil
}

// theAccount is the account to work in: the default or the only visible one.
func (a *app) theAccount(ctx context.Context, c *client.Client) (string, error) {
	account, _, err := a.defaults()
	if err != nil || account != "" {
		return account, err
	}
	return only(ctx, c.Accounts().Reader, nil, "account", func(v *api.Account) string { return v.ID })
}

// theCloudspace is the cloudspace to work in, with the account in which its name
// is to be found; that is "" where the cloudspace is an id.
func (a *app) theCloudspace(ctx context.Context, c *client.Client) (account, cloudspace string, err error) {
	account, cloudspace, err = a.defaults()
	switch {
	case err != nil:
		return "", "", err
	case isID(cloudspace):
		return "", cloudspace, nil
	case cloudspace != "":
		account, err = a.theAccount(ctx, c)
		return account, cloudspace, err
	}
	filter, err := ofAccount(ctx, c, account)
	if err != nil {
		return "", "", err
	}
	cloudspace, err = only(ctx, c.Cloudspaces().Reader, filter, "cloudspace", func(v *api.Cloudspace) string { return v.ID })
	return "", cloudspace, err
}

// ofAccount is the filter of lists that leaves what is the account's; none for "".
func ofAccount(ctx context.Context, c *client.Client, account string) ([]string, error) {
	if account == "" {
		return nil, nil
	}
	id, err := accountID(ctx, c, account)
	return []string{"account=" + id}, err
}

// only returns the id of the one visible object.
func only[T any](ctx context.Context, r client.Reader[T], filter []string, noun string, id func(*T) string) (string, error) {
	p, err := r.List(ctx, client.ListOptions{Limit: 2, Filter: filter})
	switch {
	case err != nil:
		return "", err
	case len(p.Items) == 0:
		return "", usagef("there is no %s that you can see; create one, or ask for a role on one", noun)
	case len(p.Items) > 1:
		return "", usagef("there are several %ss: name one with --%s, or make it the default with 'atoll context use NAME --%s ...'", noun, noun, noun)
	}
	return id(&p.Items[0]), nil
}

func accountID(ctx context.Context, c *client.Client, ref string) (string, error) {
	if isID(ref) {
		return ref, nil
	}
	v, err := c.Accounts().Get(ctx, ref)
	if err != nil {
		return "", err
	}
	return v.ID, nil
}

// in says where the name of an object of the level is to be found; an id needs nothing.
func (a *app) in(ctx context.Context, c *client.Client, l level, ref string) (client.Option, error) {
	if l == inInstallation || isID(ref) {
		return client.In("", ""), nil
	}
	if l == inAccount {
		account, err := a.theAccount(ctx, c)
		return client.In(account, ""), err
	}
	if l == inProject {
		account, project, err := a.theProject(ctx, c)
		return client.InProject(account, project), err
	}
	if l == inWiki || l == inSpace {
		account, project, err := a.wikiScope()
		if l == inWiki {
			return client.InProject(account, project), err
		}
		if err == nil && a.space == "" {
			err = usagef("name the space with --space")
		}
		return client.InSpace(account, project, a.space), err
	}
	account, cloudspace, err := a.theCloudspace(ctx, c)
	return client.In(account, cloudspace), err
}

// narrow limits a list to the default account or cloudspace, if there is one
// and the list knows it.
func (a *app) narrow(ctx context.Context, c *client.Client, o *client.ListOptions, filters []string) error {
	account, cloudspace, err := a.defaults()
	if err != nil {
		return err
	}
	project := cmp.Or(a.project, a.Getenv("ATOLL_PROJECT"))
	switch {
	case project != "" && slices.Contains(filters, "project"):
		if !isID(project) {
			account, err := a.theAccount(ctx, c)
			if err != nil {
				return err
			}
			v, err := c.Projects().Get(ctx, project, client.In(account, ""))
			if err != nil {
				return err
			}
			project = v.ID
		}
		o.Filter = append(o.Filter, "project="+project)
	case cloudspace != "" && slices.Contains(filters, "cloudspace"):
		if !isID(cloudspace) {
			account, err := a.theAccount(ctx, c)
			if err != nil {
				return err
			}
			v, err := c.Cloudspaces().Get(ctx, cloudspace, client.In(account, ""))
			if err != nil {
				return err
			}
			cloudspace = v.ID
		}
		o.Filter = append(o.Filter, "cloudspace="+cloudspace)
	case account != "" && slices.Contains(filters, "account"):
		id, err := accountID(ctx, c, account)
		if err != nil {
			return err
		}
		o.Filter = append(o.Filter, "account="+id)
	}
	return nil
}
