package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func nodeView(n *cloud.Node) api.Node {
	f := n.Facts
	return api.Node{
		ID: string(n.ID), Name: n.Name, LocationID: string(n.LocationID), Roles: listed(texts[string](n.Roles)), State: string(n.State), Reason: n.Reason,
		Cordoned: n.Cordoned, Simulated: n.Simulated, Labels: n.Labels, CPUOvercommit: n.CPUOvercommit, LastSeenAt: n.LastSeenAt.Time(),
		AgentVersion: n.AgentVersion, BootID: n.BootID, Meta: metaView(n.Meta),
		Facts: api.NodeFacts{
			Hostname: f.Hostname, OS: f.OS, Kernel: f.Kernel, Architecture: f.Architecture, CPUs: f.CPUs, CPUModel: f.CPUModel,
			MemoryMiB: f.MemoryMiB, DiskMiB: f.DiskMiB, DiskFreeMiB: f.DiskFreeMiB, Addresses: f.Addresses, PublicAddress: n.PublicAddress(), Accelerator: f.Accelerator, Missing: f.Missing,
		},
	}
}

// NodeIn names a node in the path.
type NodeIn struct {
	Node string `path:"node" doc:"Id or name."`
}

// nodeID finds the id of a node that a caller names; "" for none.
func (s *Server) nodeID(ctx context.Context, r *control.Request, ref string) (cloud.NodeID, error) {
	if ref == "" || cloud.IsID(ref) {
		return cloud.NodeID(ref), nil
	}
	n, err := s.control.Node(ctx, r, ref)
	if err != nil {
		return "", err
	}
	return n.ID, nil
}

func (s *Server) registerNodes() {
	const tag, one = "Nodes", "/nodes/{node}"
	add(s, get("/nodes", "list-nodes", tag, "List nodes"), s.nodeList)
	add(s, get(one, "get-node", tag, "Show a node"), s.nodeGet)
	add(s, patch(one, "update-node", tag, "Rename, cordon or label a node"), s.nodeUpdate)
	add(s, remove(one, "delete-node", tag, "Forget a node that holds nothing; its agent is refused from then on"), s.nodeDelete)
}

func (s *Server) nodeList(ctx context.Context, r *control.Request, in *Listing) (*page[api.Node], error) {
	list, next, err := s.control.Nodes(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, nodeView), nil
}

func (s *Server) nodeGet(ctx context.Context, r *control.Request, in *NodeIn) (*body[api.Node], error) {
	n, err := s.control.Node(ctx, r, in.Node)
	if err != nil {
		return nil, err
	}
	return object(n.Meta, nodeView(n)), nil
}

type nodeUpdate struct {
	NodeIn
	Versioned
	Body api.NodeUpdate
}

func (s *Server) nodeUpdate(ctx context.Context, r *control.Request, in *nodeUpdate) (*body[api.Node], error) {
	n, err := s.control.UpdateNode(ctx, r, in.Node, control.NodeChange(in.Body))
	if err != nil {
		return nil, err
	}
	return object(n.Meta, nodeView(n)), nil
}

type nodeDelete struct {
	NodeIn
	Versioned
}

func (s *Server) nodeDelete(ctx context.Context, r *control.Request, in *nodeDelete) (*none, error) {
	return &none{}, s.control.DeleteNode(ctx, r, in.Node)
}
