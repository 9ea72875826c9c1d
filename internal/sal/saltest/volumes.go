package saltest

import (
	"slices"
	"sync"
	"testing"

	"atoll/internal/cloud"
	"atoll/internal/sal"
	"atoll/internal/wire"
)

// VolumesEnv is a fresh driver of volumes with its image cache.
type VolumesEnv struct {
	Images  sal.Images
	Volumes sal.Volumes
}

// Volumes tests a driver of volumes.
func Volumes(t *testing.T, newEnv func(t *testing.T) VolumesEnv) {
	for name, test := range map[string]func(*testing.T, VolumesEnv){
		"ensure, list, delete": volumesLife,
		"from an image":        volumesFromImage,
		"bad arguments":        volumesBadArgs,
		"at the same time":     volumesConcurrent,
	} {
		t.Run(name, func(t *testing.T) { test(t, newEnv(t)) })
	}
}

func volumesLife(t *testing.T, env VolumesEnv) {
	ctx, vols := t.Context(), env.Volumes
	a, b := cloud.NewID[cloud.DiskID](), cloud.NewID[cloud.DiskID]()
	must(t, vols.Ensure(ctx, wire.VolumeArgs{ID: a, SizeGiB: 1}))
	must(t, vols.Ensure(ctx, wire.VolumeArgs{ID: b, SizeGiB: 2}))
	wantVolumes(t, vols, a, b)
	for _, size := range []int64{1, 3, 2} { // the same, grow, never shrink
		must(t, vols.Ensure(ctx, wire.VolumeArgs{ID: a, SizeGiB: size}))
	}
	wantVolumes(t, vols, a, b)
	must(t, vols.Delete(ctx, a))
	must(t, vols.Delete(ctx, a))
	wantVolumes(t, vols, b)
}

func volumesFromImage(t *testing.T, env VolumesEnv) {
	ctx := t.Context()
	content, args := RawImage([]byte("volume from an image"))
	vol := wire.VolumeArgs{ID: cloud.NewID[cloud.DiskID](), SizeGiB: 1, Image: &args}
	wantKind(t, "image not in the cache", env.Volumes.Ensure(ctx, vol), cloud.NotFound)
	wantVolumes(t, env.Volumes)

	must(t, env.Images.Ensure(ctx, args, From(content)))
	must(t, env.Volumes.Ensure(ctx, vol))
	must(t, env.Volumes.Ensure(ctx, vol))
	wantVolumes(t, env.Volumes, vol.ID)

	wantKind(t, "delete a needed image", env.Images.Delete(ctx, args.SHA256), cloud.Conflict)
	must(t, env.Volumes.Delete(ctx, vol.ID))
	must(t, env.Images.Delete(ctx, args.SHA256))
}

func volumesBadArgs(t *testing.T, env VolumesEnv) {
	id := cloud.NewID[cloud.DiskID]()
	for name, args := range map[string]wire.VolumeArgs{
		"no id":    {SizeGiB: 1},
		"a path":   {ID: "../../etc", SizeGiB: 1},
		"no size":  {ID: id},
		"negative": {ID: id, SizeGiB: -1},
	} {
		wantKind(t, name, env.Volumes.Ensure(t.Context(), args), cloud.Invalid)
	}
	wantVolumes(t, env.Volumes)
}

func volumesConcurrent(t *testing.T, env VolumesEnv) {
	ctx, id := t.Context(), cloud.NewID[cloud.DiskID]()
	all := func(do func() error) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := do(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	all(func() error { return env.Volumes.Ensure(ctx, wire.VolumeArgs{ID: id, SizeGiB: 1}) })
	wantVolumes(t, env.Volumes, id)
	all(func() error { return env.Volumes.Delete(ctx, id) })
	wantVolumes(t, env.Volumes)
}

func wantVolumes(t *testing.T, vols sal.Volumes, want ...cloud.DiskID) {
	t.Helper()
	got, err := vols.List(t.Context())
	must(t, err)
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("List() = %v, want %v", got, want)
	}
}
