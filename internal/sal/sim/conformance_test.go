package sim

import (
	"sync/atomic"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/sal/saltest"
	"atoll/internal/wire"
)

// A simulated node does what every driver must do.
func TestConformance(t *testing.T) {
	t.Run("images", func(t *testing.T) {
		saltest.Images(t, func(t *testing.T) sal.Images { return newNode(t, Config{}).SAL().Images })
	})
	t.Run("volumes", func(t *testing.T) {
		saltest.Volumes(t, func(t *testing.T) saltest.VolumesEnv {
			s := newNode(t, Config{}).SAL()
			return saltest.VolumesEnv{Images: s.Images, Volumes: s.Volumes}
		})
	})
	t.Run("machines", func(t *testing.T) {
		saltest.Machines(t, func(t *testing.T) saltest.MachinesEnv {
			n := newNode(t, Config{})
			return saltest.MachinesEnv{
				Machines: n.SAL().Machines,
				Volume:   func(t *testing.T) cloud.DiskID { return newVolume(t, n) },
				Restart:  func(*testing.T) sal.Machines { return n.SAL().Machines },
			}
		})
	})
	t.Run("networks", func(t *testing.T) {
		saltest.Networks(t, func(t *testing.T) saltest.NetworksEnv {
			n := newNode(t, Config{})
			var port atomic.Int64
			port.Store(40000)
			return saltest.NetworksEnv{
				Networks: n.SAL().Networks,
				Reopen:   func(*testing.T) sal.Networks { return n.SAL().Networks },
				Hold: func(_ *testing.T, protocol string) (int64, func()) {
					p := port.Add(1)
					n.HoldPort(protocol, p)
					return p, func() { n.ReleasePort(protocol, p) }
				},
			}
		})
	})
	t.Run("processes", func(t *testing.T) {
		saltest.Processes(t, func(t *testing.T) saltest.ProcessesEnv {
			return saltest.ProcessesEnv{Processes: newNode(t, Config{}).SAL().Processes}
		})
	})
}

func newVolume(t *testing.T, n *Node) cloud.DiskID {
	t.Helper()
	id := cloud.NewID[cloud.DiskID]()
	must(t, n.SAL().Volumes.Ensure(t.Context(), wire.VolumeArgs{ID: id, SizeGiB: 1}))
	return id
}
