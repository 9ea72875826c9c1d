package pgtest

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// watchdog owns a server: it creates and starts it, says "ready" or why not, and when its input
// ends (the test process closed it, ended or was killed) it stops the server and removes all.
// It stands in a session of its own, so that Ctrl-C in a terminal reaches the test only.
const watchdog = `
bin=$1 dir=$2 user=$3 settings=$4
start() {
	"$bin/initdb" -D "$dir/data" -U "$user" --pwfile="$dir/password" --auth-local=trust \
		--auth-host=scram-sha-256 --encoding=UTF8 --locale=C --no-sync --no-instructions \
		>"$dir/log" 2>&1 || return
	printf '%s\n' "$settings" >>"$dir/data/postgresql.conf"
	"$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -t 60 -w start >"$dir/start" 2>&1
}
trap '' HUP INT TERM
if start; then echo ready; else echo "the server did not start"; fi
cat >/dev/null
"$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1
cd / && rm -rf "$dir"
`

// binDir returns the programs of the newest PostgreSQL under root, Debian's /usr/lib/postgresql.
func binDir(root string) (string, error) {
	found, err := filepath.Glob(filepath.Join(root, "*", "bin", "initdb"))
	if err != nil {
		return "", err
	}
	newest, dir := -1, ""
	for _, f := range found {
		bin := filepath.Dir(f)
		v, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
		if err == nil && v > newest {
			newest, dir = v, bin
		}
	}
	if dir == "" {
		return "", fmt.Errorf("no PostgreSQL in %s/*/bin: run test/setup.sh, or apt-get install postgresql", root)
	}
	return dir, nil
}

// memory is where Linux keeps files in memory for everyone, and roomy how much must be free
// there.
const (
	memory = "/dev/shm"
	roomy  = 2 << 30
)

// base returns where a server's folder goes: into memory if there is room and it need not be
// durable, else "" for the place of temporary files.
func base(c Config) string {
	var fs unix.Statfs_t
	if c.Durable || unix.Statfs(memory, &fs) != nil || fs.Type != unix.TMPFS_MAGIC || int64(fs.Bavail)*fs.Bsize < roomy {
		return ""
	}
	return memory
}

// ordinaryUser returns how to run the server: PostgreSQL refuses root, so root runs it as the
// package's user and hands dir over to it; everybody else runs it as himself.
func ordinaryUser(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%w: run test/setup.sh, or apt-get install postgresql", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	for _, p := range []string{dir, filepath.Join(dir, "password")} {
		if err := os.Chown(p, uid, gid); err != nil {
			return nil, err
		}
	}
	return attr, nil
}
