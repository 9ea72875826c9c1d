package client

import "atoll/api"

// Disks are the calls about disks, which are made and grown with their machines.
type Disks struct{ Reader[api.Disk] }

// Disks returns the calls about disks.
func (c *Client) Disks() Disks { return Disks{Reader[api.Disk]{c, "disks"}} }
