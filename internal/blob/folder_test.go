package blob

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"testing"
)

func TestFolderListsWhileKeysComeAndGo(t *testing.T) {
	s, err := Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write := func(key string) error { return s.Write(t.Context(), key, bytes.NewReader([]byte(key))) }
	if err := write("logs/stays/0"); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				key := fmt.Sprintf("logs/%d/%d", w/2, i%3) // two writers share a folder, which is empty at times
				if err := write(key); err != nil {
					t.Error(err)
					return
				}
				if err := s.Delete(t.Context(), key); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 200 {
		found := false
		for e, err := range s.List(t.Context(), "") {
			if err != nil {
				t.Error(err)
				break
			}
			found = found || e.Key == "logs/stays/0"
		}
		if !found {
			t.Error("a key that stayed was not listed")
		}
	}
	close(done)
	wg.Wait()
}

func TestFolderLeavesNoEmptyFolders(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := range int64(3) {
		if err := s.WriteSegment(t.Context(), "logs/job", n, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteSegments(t.Context(), "logs/job"); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name()+"/" != tempPrefix {
		t.Errorf("left: %v, %v; want the folder of temporary files alone", left, err)
	}
}
