package client

import "atoll/api"

// Sizes are the calls about sizes.
type Sizes struct {
	Kind[api.Size, api.SizeCreate, api.SizeUpdate]
}

// Sizes returns the calls about sizes.
func (c *Client) Sizes() Sizes {
	return Sizes{kindOf[api.Size, api.SizeCreate, api.SizeUpdate](c, "sizes")}
}
