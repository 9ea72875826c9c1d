package client

import "atoll/api"

// Memberships are the calls about memberships.
type Memberships struct {
	Kind[api.Membership, api.MembershipCreate, api.MembershipUpdate]
}

// Memberships returns the calls about memberships.
func (c *Client) Memberships() Memberships {
	return Memberships{kindOf[api.Membership, api.MembershipCreate, api.MembershipUpdate](c, "memberships")}
}
