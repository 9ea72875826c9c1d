package client

import "atoll/api"

// ServiceAccounts are the calls about service accounts.
type ServiceAccounts struct {
	Kind[api.ServiceAccount, api.ServiceAccountCreate, api.ServiceAccountUpdate]
}

// ServiceAccounts returns the calls about service accounts.
func (c *Client) ServiceAccounts() ServiceAccounts {
	return ServiceAccounts{kindOf[api.ServiceAccount, api.ServiceAccountCreate, api.ServiceAccountUpdate](c, "service-accounts")}
}
