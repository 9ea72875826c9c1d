package control

import (
	"context"
	"fmt"
	"strings"

	"atoll/internal/authz"
	"atoll/internal/cloud"
	"atoll/internal/store"
)

func accountTarget(a *cloud.Account) target {
	return target{kind: cloud.KindAccount, name: a.Name, account: a.ID}
}

func accountSubject(a *cloud.Account) subject {
	return subject{kind: cloud.KindAccount, id: string(a.ID), name: a.Name, account: a.ID}
}

// permit is allow for an object that the caller named ref. What it may not read
// does not exist for it: the answer is the one to a ref that nothing has, and
// only a caller who may read the object meets its name in a refusal.
func (r *Request) permit(a authz.Action, t target, ref string) error {
	unnamed := t
	unnamed.name = ref
	if err := r.allow(authz.Read, unnamed); err != nil {
		return err
	}
	return r.allow(a, t)
}

// findAccount returns the account by its id or name.
func findAccount(tx *store.Tx, ref string) (*cloud.Account, error) {
	if cloud.IsID(ref) {
		return tx.Account(cloud.AccountID(ref))
	}
	if ref == "" {
		return nil, cloud.FieldErrorf("account", "is required")
	}
	return tx.AccountNamed(ref)
}

// parentAccount returns the id of the account in which a name is looked for; ""
// for none. One that the caller may not see is not there.
func parentAccount(tx *store.Tx, r *Request, ref string) (cloud.AccountID, error) {
	if ref == "" {
		return "", nil
	}
	a, err := findAccount(tx, ref)
	if err != nil {
		return "", err
	}
	return a.ID, r.permit(authz.Read, accountTarget(a), ref)
}

// Account returns the account with the id or name if the caller may see it.
func (c *Control) Account(ctx context.Context, r *Request, ref string) (*cloud.Account, error) {
	var a *cloud.Account
	err := c.view(ctx, func(tx *store.Tx) (err error) {
		if a, err = findAccount(tx, ref); err != nil {
			return err
		}
		return r.permit(authz.Read, accountTarget(a), ref)
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Accounts returns a page of the accounts that the caller may see.
func (c *Control) Accounts(ctx context.Context, r *Request, q store.Query) (list []cloud.Account, next string, err error) {
	err = c.view(ctx, func(tx *store.Tx) error {
		list, next, err = tx.Accounts(r.query(cloud.KindAccount, q))
		return err
	})
	return list, next, err
}

// CreateAccount creates the account and fills a in. Limits are its quota; what
// they do not name has no limit. Operators only.
func (c *Control) CreateAccount(ctx context.Context, r *Request, a *cloud.Account, limits map[cloud.Resource]int64) error {
	*a = cloud.Account{Name: a.Name, Description: a.Description}
	return c.change(ctx, r, "account.create", func(ch *change) error {
		if err := r.allow(authz.Create, target{kind: cloud.KindAccount, name: a.Name}); err != nil {
			return err
		}
		if err := validateLimits(limits); err != nil {
			return err
		}
		return ch.createAccount(a, limits)
	})
}

func (ch *change) createAccount(a *cloud.Account, limits map[cloud.Resource]int64) error {
	if err := a.Validate(); err != nil {
		return err
	}
	a.ID, a.State = cloud.NewID[cloud.AccountID](), cloud.AccountActive
	if err := ch.Tx.CreateAccount(a); err != nil {
		return err
	}
	if _, err := ch.setLimits(accountScope(a.ID), limits); err != nil {
		return err
	}
	return ch.event("account.create", accountSubject(a), nil, a)
}

// AccountUpdate is a change of an account; nil leaves a field as it is.
type AccountUpdate struct {
	Name        *string
	Description *string
}

// UpdateAccount changes the account's name and description. For its admins and
// operators.
func (c *Control) UpdateAccount(ctx context.Context, r *Request, ref string, u AccountUpdate) (*cloud.Account, error) {
	return c.changeAccount(ctx, r, ref, authz.Update, "account.update", func(_ *change, a *cloud.Account) error {
		assign(&a.Name, u.Name)
		assign(&a.Description, u.Description)
		return a.Validate()
	})
}

// assign sets a field that an update names.
func assign[T any](field, to *T) {
	if to != nil {
		*field = *to
	}
}

// SetAccountState enables or disables the account. In a disabled one everything
// can be read and nothing changed. Operators only; Conflict if it has the state.
func (c *Control) SetAccountState(ctx context.Context, r *Request, ref string, to cloud.AccountState) (*cloud.Account, error) {
	action := "account.enable"
	if to == cloud.AccountDisabled {
		action = "account.disable"
	}
	return c.changeAccount(ctx, r, ref, authz.Execute, action, func(_ *change, a *cloud.Account) error {
		if err := cloud.AccountTransitions.Check(cloud.KindAccount, a.Name, a.State, to); err != nil {
			return err
		}
		a.State = to
		return nil
	})
}

// DeleteAccount deletes the account with its memberships, ssh keys, limits and
// the tokens that are limited to it. While it has cloudspaces, images, scripts
// or service accounts the answer is a Conflict that names them. Operators only.
func (c *Control) DeleteAccount(ctx context.Context, r *Request, ref string) error {
	_, err := c.changeAccount(ctx, r, ref, authz.Delete, "account.delete", func(ch *change, a *cloud.Account) error {
		if err := ch.emptyAccount(a); err != nil {
			return err
		}
		for _, end := range []func(cloud.AccountID) error{ch.DeleteMembershipsIn, ch.DeleteSSHKeysIn, ch.DeleteTokensFor, ch.DeleteWebhooksIn} {
			if err := end(a.ID); err != nil {
				return err
			}
		}
		if err := ch.dropLimits(accountScope(a.ID)); err != nil {
			return err
		}
		ch.revoked()
		now, err := ch.Now()
		a.DeletedAt = now
		return err
	})
	return err
}

// changeAccount is what the changes of an account have in common. It locks the
// account, so that nobody makes something in it meanwhile.
func (c *Control) changeAccount(ctx context.Context, r *Request, ref string, act authz.Action, action string,
	fn func(ch *change, a *cloud.Account) error,
) (*cloud.Account, error) {
	var a *cloud.Account
	err := c.change(ctx, r, action, func(ch *change) (err error) {
		if a, err = findAccount(ch.Tx, ref); err != nil {
			return err
		}
		if err := r.permit(act, accountTarget(a), ref); err != nil {
			return err
		}
		if err := ch.LockAccount(a.ID); err != nil {
			return err
		}
		if a, err = ch.Account(a.ID); err != nil { // as it is now that nobody else can change it
			return err
		}
		if err := ch.match(cloud.KindAccount, a.Name, a.Version); err != nil {
			return err
		}
		before := *a
		if err := fn(ch, a); err != nil {
			return err
		}
		if err := ch.Tx.UpdateAccount(a); err != nil {
			return err
		}
		return ch.event(action, accountSubject(&before), &before, a)
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// emptyAccount is a Conflict that names what is left in the account.
func (ch *change) emptyAccount(a *cloud.Account) error {
	const shown = 3
	in := store.Query{Limit: shown + 1, Visible: store.Visibility{Accounts: []cloud.AccountID{a.ID}}}
	spaces, _, err := ch.Tx.Cloudspaces(in)
	if err != nil {
		return err
	}
	projects, _, err := ch.Tx.Projects(in)
	if err != nil {
		return err
	}
	images, _, err := ch.Tx.Images(in)
	if err != nil {
		return err
	}
	scripts, _, err := ch.Tx.Scripts(in)
	if err != nil {
		return err
	}
	services, _, err := ch.Tx.ServiceAccounts(in)
	if err != nil {
		return err
	}
	pages, _, err := ch.Tx.WikiSpaces(store.Query{Limit: shown + 1, Visible: store.Everything, Filter: []string{"account=" + string(a.ID)}})
	if err != nil {
		return err
	}
	var left []string
	left = append(left, namesOf("cloudspace", spaces, func(v *cloud.Cloudspace) string { return v.Name }, shown)...)
	left = append(left, namesOf("project", projects, func(v *cloud.Project) string { return v.Name }, shown)...)
	left = append(left, namesOf("space of pages", pages, func(v *cloud.WikiSpace) string { return v.Name }, shown)...)
	left = append(left, namesOf("image", images, func(v *cloud.Image) string { return v.Name }, shown)...)
	left = append(left, namesOf("script", scripts, func(v *cloud.Script) string { return v.Name }, shown)...)
	left = append(left, namesOf("service account", services, func(v *cloud.User) string { return v.Name }, shown)...)
	if len(left) == 0 {
		return nil
	}
	return cloud.StateErrorf(string(a.State), "account %s is not empty: delete its %s first", a.Name, strings.Join(left, "; "))
}

// namesOf is "images a, b" of a list, with "and more" beyond n.
func namesOf[T any](kind string, list []T, name func(*T) string, n int) []string {
	if len(list) == 0 {
		return nil
	}
	var names []string
	for i := range list[:min(n, len(list))] {
		names = append(names, name(&list[i]))
	}
	if len(list) > 1 {
		kind += "s"
	}
	text := fmt.Sprintf("%s %s", kind, strings.Join(names, ", "))
	if len(list) > n {
		text += " and more"
	}
	return []string{text}
}
