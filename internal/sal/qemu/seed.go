package qemu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kdomanski/iso9660"

	"atoll/internal/wire"
)

// writeSeed writes a NoCloud seed: an ISO 9660 file system with the label
// cidata. The library writes lower-case names as they are, which Linux shows so.
func writeSeed(dir string, seed wire.Seed) (err error) {
	w, err := iso9660.NewWriter()
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	defer func() { err = errors.Join(err, w.Cleanup()) }()
	for name, content := range map[string]string{
		"meta-data": seed.MetaData, "user-data": seed.UserData, "network-config": seed.NetworkConfig,
	} {
		// meta-data and user-data must exist, even if they are empty.
		if content == "" && name == "network-config" {
			continue
		}
		if err := w.AddFile(strings.NewReader(content), name); err != nil {
			return fmt.Errorf("seed: %w", err)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, seedFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := w.WriteTo(f, "cidata"); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return nil
}
