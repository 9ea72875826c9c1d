package client

import "atoll/api"

// Locations are the calls about locations.
type Locations struct {
	Kind[api.Location, api.LocationCreate, api.LocationUpdate]
}

// Locations returns the calls about locations.
func (c *Client) Locations() Locations {
	return Locations{kindOf[api.Location, api.LocationCreate, api.LocationUpdate](c, "locations")}
}
