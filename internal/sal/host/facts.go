// Package host is the driver of the host itself: its facts, and the commands
// that jobs run on it, each in a cgroup of its own and, where it belongs to a
// project, as that project's user in a mount namespace without the agent's files.
//
// It must never know about jobs, scripts or the controller, run a tenant's
// command as root, or leave a process, cgroup or folder behind a finished command.
package host

import (
	"bufio"
	"cmp"
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// searchPath is where programs are looked for, and the PATH of commands.
const searchPath = sal.SearchPath

// Host reads the facts of the host that it runs on.
type Host struct {
	Volumes  string   // a folder on the file system that holds volumes
	Programs []string // what the node's roles need; those not found become NodeFacts.Missing
	// Public is where the host's public ports are reached, address or name; "" for
	// the address of its default route.
	Public string
	// Accelerator tells the accelerator of machines; nil where there are none.
	Accelerator func() string
}

// Facts reads the facts afresh. A fact that the host does not tell stays empty:
// only a volume folder that cannot be looked at is an error (cloud.Unavailable).
func (h *Host) Facts(_ context.Context) (cloud.NodeFacts, error) {
	facts := cloud.NodeFacts{
		Architecture: runtime.GOARCH,
		OS:           osName(),
		BootID:       firstLine("/proc/sys/kernel/random/boot_id"),
		Kernel:       firstLine("/proc/sys/kernel/osrelease"),
		Hostname:     firstLine("/proc/sys/kernel/hostname"),
		MemoryMiB:    memoryMiB(),
		Addresses:    addresses(),
		Missing:      []string{},
	}
	facts.CPUs, facts.CPUModel = cpus()
	facts.PublicAddress = cmp.Or(h.Public, defaultAddress())
	var fs unix.Statfs_t
	if err := unix.Statfs(h.Volumes, &fs); err != nil {
		return facts, cloud.Wrap(cloud.Unavailable, err, "the volume folder %s cannot be looked at", h.Volumes)
	}
	facts.DiskMiB = int64(fs.Blocks) * fs.Bsize >> 20
	facts.DiskFreeMiB = int64(fs.Bavail) * fs.Bsize >> 20
	for _, program := range h.Programs {
		if lookPath(program, searchPath) == "" {
			facts.Missing = append(facts.Missing, program)
		}
	}
	if h.Accelerator != nil {
		facts.Accelerator = h.Accelerator()
	}
	return facts, nil
}

// lookPath returns the first executable file of that name in path, or "".
func lookPath(program, path string) string {
	if strings.Contains(program, "/") {
		return program
	}
	for _, dir := range filepath.SplitList(path) {
		file := dir + "/" + program
		var st unix.Stat_t
		if dir != "" && unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS) == nil && unix.Stat(file, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			return file
		}
	}
	return ""
}

func firstLine(file string) string {
	b, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

// values calls f with each "key<sep>value" line of a file.
func values(file, sep string, f func(key, value string)) {
	r, err := os.Open(file)
	if err != nil {
		return
	}
	defer r.Close()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), sep); ok {
			f(strings.TrimSpace(key), strings.TrimSpace(value))
		}
	}
}

func osName() string {
	name := "Linux"
	values("/etc/os-release", "=", func(key, value string) {
		if key == "PRETTY_NAME" {
			name = strings.Trim(value, `"'`)
		}
	})
	return name
}

func memoryMiB() (mib int64) {
	values("/proc/meminfo", ":", func(key, value string) {
		if kib, ok := strings.CutSuffix(value, " kB"); ok && key == "MemTotal" {
			n, _ := strconv.ParseInt(kib, 10, 64)
			mib = n >> 10
		}
	})
	return mib
}

// cpus counts the host's processors, not those that the agent may use.
func cpus() (n int, model string) {
	values("/proc/cpuinfo", ":", func(key, value string) {
		switch key {
		case "processor":
			n++
		case "model name", "Model":
			model = value
		}
	})
	return max(n, 1), model
}

// addresses returns the global addresses of interfaces that are up, sorted.
func addresses() []string {
	found := []string{}
	ifaces, _ := net.Interfaces()
	for _, i := range ifaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
				found = append(found, ip.IP.String())
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// defaultAddress returns the address from which the host goes out by its default
// route, "" if it has none. Nothing is sent: the kernel only chooses the route.
func defaultAddress() string {
	for _, elsewhere := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} { // set aside for documentation
		if c, err := net.Dial("udp", elsewhere); err == nil {
			defer c.Close()
			return c.LocalAddr().(*net.UDPAddr).IP.String()
		}
	}
	return ""
}
