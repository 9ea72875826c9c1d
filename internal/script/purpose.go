package script

// Purpose is what the installation's key signs scripts for: controllers sign and
// agents verify with it.
const Purpose = "script"

// SignedMessage is what is signed for a script: its content address stands for
// its content.
func SignedMessage(sha256 string) []byte { return []byte(sha256) }
