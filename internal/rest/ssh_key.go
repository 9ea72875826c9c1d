package rest

import (
	"context"

	"atoll/api"
	"atoll/internal/cloud"
	"atoll/internal/control"
)

func sshKeyView(k *cloud.SSHKey) api.SSHKey {
	return api.SSHKey{
		ID: string(k.ID), AccountID: string(k.AccountID), Name: k.Name, PublicKey: k.PublicKey, Fingerprint: k.Fingerprint, Meta: metaView(k.Meta),
	}
}

// SSHKeyIn names an ssh key in the path.
type SSHKeyIn struct {
	SSHKey  string `path:"ssh_key" doc:"Id, or name in the account."`
	Account string `query:"account" doc:"Id or name; to find it by its name."`
}

func (s *Server) registerSSHKeys() {
	const tag, all, one = "SSH keys", "/ssh-keys", "/ssh-keys/{ssh_key}"
	add(s, get(all, "list-ssh-keys", tag, "List ssh keys"), s.sshKeyList)
	add(s, post(all, "create-ssh-key", tag, "Add an ssh key to an account"), s.sshKeyCreate)
	add(s, get(one, "get-ssh-key", tag, "Show an ssh key"), s.sshKeyGet)
	add(s, patch(one, "update-ssh-key", tag, "Rename an ssh key"), s.sshKeyUpdate)
	add(s, remove(one, "delete-ssh-key", tag, "Delete an ssh key; machines keep it"), s.sshKeyDelete)
}

func (s *Server) sshKeyList(ctx context.Context, r *control.Request, in *Listing) (*page[api.SSHKey], error) {
	list, next, err := s.control.SSHKeys(ctx, r, in.query())
	if err != nil {
		return nil, err
	}
	return pageOf(list, next, sshKeyView), nil
}

type sshKeyCreate struct {
	Creating
	Body api.SSHKeyCreate
}

func (s *Server) sshKeyCreate(ctx context.Context, r *control.Request, in *sshKeyCreate) (*created[api.SSHKey], error) {
	account, err := s.accountID(ctx, r, in.Body.Account)
	if err != nil {
		return nil, err
	}
	k := &cloud.SSHKey{AccountID: account, Name: in.Body.Name, PublicKey: in.Body.PublicKey}
	if err := s.control.CreateSSHKey(ctx, r, k); err != nil {
		return nil, err
	}
	return newObject("/ssh-keys", k.ID, k.Meta, sshKeyView(k)), nil
}

func (s *Server) sshKeyGet(ctx context.Context, r *control.Request, in *SSHKeyIn) (*body[api.SSHKey], error) {
	k, err := s.control.SSHKey(ctx, r, in.Account, in.SSHKey)
	if err != nil {
		return nil, err
	}
	return object(k.Meta, sshKeyView(k)), nil
}

type sshKeyUpdate struct {
	SSHKeyIn
	Versioned
	Body api.SSHKeyUpdate
}

func (s *Server) sshKeyUpdate(ctx context.Context, r *control.Request, in *sshKeyUpdate) (*body[api.SSHKey], error) {
	name := ""
	if in.Body.Name != nil {
		if name = *in.Body.Name; name == "" {
			return nil, cloud.ValidateName(cloud.KindSSHKey, name)
		}
	}
	k, err := s.control.RenameSSHKey(ctx, r, in.Account, in.SSHKey, name)
	if err != nil {
		return nil, err
	}
	return object(k.Meta, sshKeyView(k)), nil
}

type sshKeyDelete struct {
	SSHKeyIn
	Versioned
}

func (s *Server) sshKeyDelete(ctx context.Context, r *control.Request, in *sshKeyDelete) (*none, error) {
	return &none{}, s.control.DeleteSSHKey(ctx, r, in.Account, in.SSHKey)
}
