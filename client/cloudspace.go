package client

import "atoll/api"

// Cloudspaces are the calls about cloudspaces.
type Cloudspaces struct {
	Kind[api.Cloudspace, api.CloudspaceCreate, api.CloudspaceUpdate]
}

// Cloudspaces returns the calls about cloudspaces.
func (c *Client) Cloudspaces() Cloudspaces {
	return Cloudspaces{kindOf[api.Cloudspace, api.CloudspaceCreate, api.CloudspaceUpdate](c, "cloudspaces")}
}
