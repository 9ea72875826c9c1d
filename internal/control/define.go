package control

// defineOperations tells the engine all kinds of operations.
func (c *Control) defineOperations() {
	for _, d := range c.machineOperations() {
		c.ops.Define(d)
	}
	for _, d := range c.portForwardOperations() {
		c.ops.Define(d)
	}
	for _, d := range c.deploymentOperations() {
		c.ops.Define(d)
	}
	c.ops.Define(c.cloudspaceDelete())
	c.ops.Define(c.fanOut())
	c.defineImages()
}
