package control

// defineOperations tells the engine all kinds of operations.
func (c *Control) defineOperations() {
	c.defineImages()
}
