package client

import "atoll/api"

// Accounts are the calls about accounts.
type Accounts struct {
	Kind[api.Account, api.AccountCreate, api.AccountUpdate]
}

// Accounts returns the calls about accounts.
func (c *Client) Accounts() Accounts {
	return Accounts{kindOf[api.Account, api.AccountCreate, api.AccountUpdate](c, "accounts")}
}
