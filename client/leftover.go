package client

import "atoll/api"

// Leftovers are the calls about what could not be removed from nodes yet.
type Leftovers struct {
	Reader[api.Leftover]
	Deleter[api.Leftover]
}

// Leftovers returns the calls about leftovers.
func (c *Client) Leftovers() Leftovers {
	return Leftovers{Reader[api.Leftover]{c, "leftovers"}, Deleter[api.Leftover]{c, "leftovers"}}
}
