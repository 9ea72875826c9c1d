package api

// SSHKey is a public key of an account, put into new machines.
type SSHKey struct {
	ID          string `json:"id"`
	AccountID   string `json:"account_id"`
	Name        string `json:"name" example:"ada"`
	PublicKey   string `json:"public_key" doc:"One authorized_keys line."`
	Fingerprint string `json:"fingerprint" example:"SHA256:…"`
	Meta
}

// SSHKeyUpdate changes an ssh key; what is left out stays. Another key is another object.
type SSHKeyUpdate struct {
	Name *string `json:"name,omitempty" doc:"Unique in the account." example:"ada"`
}

// SSHKeyCreate is what an ssh key is made from.
type SSHKeyCreate struct {
	Account   string `json:"account" doc:"Id or name."`
	Name      string `json:"name" doc:"Unique in the account." example:"ada"`
	PublicKey string `json:"public_key" doc:"One authorized_keys line." example:"ssh-ed25519 AAAA… ada@laptop" maxLength:"16384"`
}
