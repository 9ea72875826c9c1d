package control

import (
	"context"

	"atoll/internal/store"
)

// Ready returns nil if the store answers.
func (c *Control) Ready(ctx context.Context) error {
	return c.DB.View(ctx, func(tx *store.Tx) error {
		_, err := tx.Now()
		return err
	})
}
