package control

import (
	"atoll/internal/cloud"
	"atoll/internal/store"
	"atoll/internal/wire"
)

// wireScript names a job's script to its agent.
func (c *Control) wireScript(tx *store.Tx, id cloud.ScriptID) (*wire.Script, error) {
	s, err := tx.AnyScript(id)
	if err != nil {
		return nil, err
	}
	return &wire.Script{ID: s.ID, Name: s.Name, SHA256: s.SHA256, Signature: s.Signature}, nil
}

func findScript(tx *store.Tx, ref string) (*cloud.Script, error) {
	if cloud.IsID(ref) {
		return tx.Script(cloud.ScriptID(ref))
	}
	return tx.ScriptNamed("", ref)
}

func checkScriptArgs(*cloud.Script, []byte) error { return nil }
