package control

import (
	"io"
	"net"
	"testing"

	"atoll/internal/cloud"
)

// TestStreamOfAnotherNode: who opens a stream must be the node that was asked.
func TestStreamOfAnotherNode(t *testing.T) {
	c := &Control{}
	node, rogue := cloud.NewID[cloud.NodeID](), cloud.NewID[cloud.NodeID]()
	wanted := c.streams.expect("s1", node)
	ours, theirs := net.Pipe()
	defer theirs.Close()
	if err := c.AcceptStream("s1", rogue, theirs); !cloud.Is(err, cloud.NotFound) {
		t.Errorf("another node's stream = %v, want not found", err)
	}
	if err := c.AcceptStream("s2", node, theirs); !cloud.Is(err, cloud.NotFound) {
		t.Errorf("a stream that nobody asked for = %v, want not found", err)
	}
	if err := c.AcceptStream("s1", node, ours); err != nil {
		t.Fatal(err)
	}
	if got := <-wanted.conn; got != io.ReadWriteCloser(ours) {
		t.Error("the reader got another stream")
	}
	if err := c.AcceptStream("s1", node, theirs); !cloud.Is(err, cloud.NotFound) {
		t.Errorf("the same stream again = %v, want not found", err)
	}
}
