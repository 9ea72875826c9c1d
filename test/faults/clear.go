package faults

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"atoll/client"
	"atoll/internal/pki"
	"atoll/internal/store"
	"atoll/test/lab"
)

// clear deletes everything that was made, as users would.
func (w *world) clear() {
	c, ctx := w.direct(0), context.Background()
	gone := func(what string, err error) {
		if err != nil && client.CodeOf(err) != client.NotFound {
			w.bad("delete %s: %v", what, err)
		}
	}
	machines, err := all(c.Machines().Reader)
	gone("machines", err)
	for _, m := range machines {
		_, err := c.Machines().Delete(ctx, m.ID)
		gone("machine "+m.Name+" ("+m.State+": "+m.Reason+")", err)
	}
	if err := w.until("all is quiet after the machines were deleted", patience, w.settled); err != nil {
		w.bad("%v", err)
	}
	spaces, err := all(c.Cloudspaces().Reader)
	gone("cloudspaces", err)
	for _, s := range spaces {
		_, err := c.Cloudspaces().Delete(ctx, s.ID)
		gone("cloudspace "+s.Name+" ("+s.State+": "+s.Reason+")", err)
	}
	if err := w.until("all is quiet after everything was deleted", patience, w.settled); err != nil {
		w.bad("%v", err)
	}
}

// stopAll ends all processes as an operator does.
func (w *world) stopAll() {
	w.hosts.stop()
	for _, p := range w.agents {
		p.stop()
	}
	for _, p := range w.controllers {
		p.stop()
	}
}

// inStore has check look at the store. With SQLite the controller must have ended.
func (w *world) inStore(check func(tx *store.Tx) ([]string, error)) {
	url := "sqlite:" + filepath.Join(w.dir, "controller-1", "atoll.db")
	if w.database != nil {
		url = w.database.dsn
	}
	db, err := store.Open(context.Background(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		w.bad("open the store: %v", err)
		return
	}
	defer db.Close() //nolint:errcheck // it is looked at only
	err = db.Update(context.Background(), func(tx *store.Tx) error {
		wrong, err := check(tx)
		for _, text := range wrong {
			w.bad("%s", text)
		}
		return err
	})
	if err != nil {
		w.bad("read the store: %v", err)
	}
}

// nothingHeld returns the balances that are not 0 although nothing is there.
func nothingHeld(tx *store.Tx) (wrong []string, err error) {
	list, err := tx.AllBalances()
	for _, b := range list {
		if b.Amount != 0 {
			wrong = append(wrong, fmt.Sprintf("%s %s still holds %d %s", b.Scope.Kind, b.Scope.ID, b.Amount, b.Resource))
		}
	}
	return wrong, err
}

// checkStore checks the store after everything was deleted.
func (w *world) checkStore() {
	w.inStore(func(tx *store.Tx) ([]string, error) {
		wrong, err := lab.Unsound(tx)
		if err != nil {
			return nil, err
		}
		held, err := nothingHeld(tx)
		return append(wrong, held...), err
	})
}

// checkSims reads what the simulated nodes say when they end.
func (w *world) checkSims() {
	text, err := os.ReadFile(w.hosts.log)
	last := text[max(0, strings.LastIndex(string(text), "simulated nodes end")):]
	if err != nil || !strings.Contains(string(last), "machines=0 volumes=0 networks=0 taps=0 commands=0") {
		w.bad("the simulated nodes still had something: %s %v", firstLine(last), err)
	}
}

// maxSpaces is more than the cloudspaces of one run.
const maxSpaces = 100

// networkName is the name of a bridge or namespace, or of an interface in it.
var networkName = regexp.MustCompile(`\bat([0-9a-f]{1,6})(g|u|t[0-9a-f]{6})?\b`)

// checkHost looks for what machines and networks leave on this host: interfaces
// and namespaces are named after the cloudspaces' numbers, the firewall's table
// after the agent's folder (see internal/sal/network).
func (w *world) checkHost() {
	dir := filepath.Join(w.dir, w.hosts.name)
	var newest int64
	w.inStore(func(tx *store.Tx) (_ []string, err error) { newest, err = tx.Next("network"); return nil, err })
	table := fmt.Sprintf("atoll_%x", sha256.Sum256([]byte(dir)))[:len("atoll_")+8]
	for _, c := range [][]string{{"ip", "-o", "link"}, {"ip", "netns"}, {"nft", "list", "tables"}} {
		out, err := exec.Command(c[0], c[1:]...).Output()
		if err != nil {
			w.bad("%v: %v", c, err)
		}
		if strings.Contains(string(out), table) {
			w.bad("%v still shows %s", c, table)
		}
		for _, m := range networkName.FindAllStringSubmatch(string(out), -1) {
			if n, err := strconv.ParseInt(m[1], 16, 64); err == nil && newest-maxSpaces < n && n <= newest {
				w.bad("%v still shows %s", c, m[0])
			}
		}
	}
	for _, folder := range []string{"machines", "storage/volumes"} {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		for _, e := range entries {
			if e.IsDir() {
				w.bad("the agent left %s in %s", e.Name(), folder)
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.bad("%v", err)
		}
	}
	w.checkGroups(dir)
}

// checkLeaks looks for what must not be left when all processes have ended.
func (w *world) checkLeaks() {
	if w.metal {
		w.checkHost()
	} else {
		w.checkSims()
	}
	for _, p := range leftProcesses(w.dir) {
		w.bad("process %s is left", p)
	}
	for _, a := range w.agents {
		w.checkAgent(filepath.Join(w.dir, a.name))
	}
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// leftProcesses returns the processes that were started with the folder in an
// argument, or stand in it.
func leftProcesses(dir string) (list []string) {
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range entries {
		args, _ := os.ReadFile(p + "/cmdline") // it may have ended
		cwd, _ := os.Readlink(p + "/cwd")
		if strings.Contains(string(args), dir) || strings.HasPrefix(cwd, dir) {
			list = append(list, fmt.Sprintf("%s (%s)", filepath.Base(p), strings.ReplaceAll(string(args), "\x00", " ")))
		}
	}
	return list
}

// kept are the files and folders that an agent keeps.
var kept = []string{"identity.pem", "journal", "spool", "scripts", "homes", "work", "services", "storage"}

// checkAgent looks at what an agent has left in its folder and in the cgroups.
func (w *world) checkAgent(dir string) {
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case path == dir, e.IsDir() && slices.Contains(kept, name):
		case !slices.Contains(kept, name):
			w.bad("the agent left %s", path)
		case name == "spool":
			if info, err := e.Info(); err != nil || info.Size() > 0 {
				w.bad("the agent has %d bytes of output in %s that nobody got, %v", info.Size(), path, err)
			}
		}
		return nil
	})
	if err != nil {
		w.bad("%v", err)
	}
	w.checkGroups(dir)
}

// checkGroups looks for cgroups that the agent with the folder left.
func (w *world) checkGroups(dir string) {
	group := "atoll/" + pki.HashToken(dir)[:8] // see cmd/atoll
	for _, mount := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		if found, err := filepath.Glob(mount + group); err != nil || len(found) > 0 {
			w.bad("the agent left the cgroups %v, %v", found, err)
		}
	}
}
