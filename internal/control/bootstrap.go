package control

import (
	"context"
	"math/rand/v2"
	"time"

	"atoll/internal/cloud"
)

// settingBootstrap is set once the first start made what it makes.
const settingBootstrap = "bootstrap"

// firstSizes are offered from the start.
var firstSizes = []cloud.Size{
	{Name: "tiny", VCPUs: 1, MemoryMiB: 128, DiskGiB: 1},
	{Name: "small", VCPUs: 1, MemoryMiB: 512, DiskGiB: 5},
	{Name: "medium", VCPUs: 2, MemoryMiB: 2048, DiskGiB: 20},
	{Name: "large", VCPUs: 4, MemoryMiB: 8192, DiskGiB: 40},
}

// Bootstrap makes what an installation needs to be used at once, at its first
// start: the user admin with a token, the location home, the account default with
// a cloudspace, and sizes. It returns the token if it made it, and "" at every
// later start: what an operator deleted stays deleted. keep, if not nil, puts the
// token where its owner finds it, before anything is committed: it may be called for
// a token that comes to nothing, and is then called again with another.
func (c *Control) Bootstrap(ctx context.Context, keep func(token string) error) (adminToken string, err error) {
	err = c.change(ctx, System("first start"), "installation.bootstrap", func(ch *change) error {
		adminToken = ""
		// Of controllers that start at once the others wait here, and find it done.
		if _, mine, err := ch.TakeLease("bootstrap", c.ID, time.Minute); err != nil || !mine {
			return err
		}
		if done, err := ch.Setting(settingBootstrap); err != nil || done != "" {
			return err
		}
		if err := ch.SetSetting(settingBootstrap, "done"); err != nil {
			return err
		}
		if adminToken, err = ch.bootstrap(); err != nil {
			return err
		}
		if keep != nil {
			if err := keep(adminToken); err != nil {
				return err
			}
		}
		return ch.event("installation.bootstrap", subject{kind: cloud.KindInstallation, name: "installation"}, nil, nil)
	})
	if err != nil {
		return "", err
	}
	return adminToken, nil
}

func (ch *change) bootstrap() (adminToken string, err error) {
	admin := &cloud.User{ID: cloud.NewID[cloud.UserID](), Name: "admin", FullName: "Administrator", Role: cloud.InstallationAdmin}
	if err := ch.Tx.CreateUser(admin); err != nil {
		return "", err
	}
	if adminToken, err = ch.addToken(admin, &cloud.Token{Name: "bootstrap", Scope: cloud.TokenScopeFull}); err != nil {
		return "", err
	}
	home := &cloud.Location{ID: cloud.NewID[cloud.LocationID](), Name: "home"}
	if err := ch.Tx.CreateLocation(home); err != nil {
		return "", err
	}
	account := &cloud.Account{Name: "default"}
	if err := ch.createAccount(account, nil); err != nil {
		return "", err
	}
	if err := ch.Tx.CreateMembership(&cloud.Membership{
		ID: cloud.NewID[cloud.MembershipID](), UserID: admin.ID, Role: cloud.ScopeAdmin, AccountID: account.ID,
	}); err != nil {
		return "", err
	}
	// Numbers of networks name bridges and namespaces: installations that meet on
	// one host, such as a rehearsal beside the real one, should not have the same.
	if err := ch.SetCounter("network", rand.Int64N(1<<23)); err != nil {
		return "", err
	}
	if _, err := ch.createCloudspace(account.ID, home.ID, "default", ""); err != nil {
		return "", err
	}
	for _, s := range firstSizes {
		s.ID = cloud.NewID[cloud.SizeID]()
		if err := ch.Tx.CreateSize(&s); err != nil {
			return "", err
		}
	}
	return adminToken, nil
}
