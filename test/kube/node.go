package kube

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RealNode is the name of the node that runs containers.
const RealNode = "atoll-real"

// link is the network between the machine and its real node, of addresses that are for tests of networks. Only one real node can be on
// a machine at a time.
var link = struct {
	host, node net.IP
	pods       string
}{net.IPv4(198, 18, 213, 1), net.IPv4(198, 18, 213, 2), "198.19.213.0/24"}

// netns is the real node's network namespace, and veth the machine's end of the link.
const netns, veth = "atoll-kube", "atoll-kube"

//go:embed node.sh
var nodeScript string

// StartRealNode adds the real node and returns when it is ready. The images are archives as `docker save` makes them; no other can be run,
// but for the pause image that it makes itself. It needs root.
func (c *Cluster) StartRealNode(ctx context.Context, log io.Writer, images ...string) error {
	runtime, err := Runtime(log)
	if err != nil {
		return err
	}
	if err := c.takeTurn(ctx); err != nil {
		return err
	}
	dir := filepath.Join(c.dir, "node")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := c.network(); err != nil {
		return err
	}
	if err := c.forward(); err != nil {
		return err
	}
	group, err := cgroup(netns)
	if err != nil {
		return err
	}
	pause := filepath.Join(dir, "pause.tar")
	if err := WriteImage(pause, pauseImage, "", "/busybox", "sleep", "1000000"); err != nil {
		return err
	}
	if err := c.nodeFiles(dir, runtime, group); err != nil {
		return err
	}
	args := []string{
		"--net=/run/netns/" + netns, "unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child",
		"--propagation", "private", "bash", "-c", nodeScript, "node.sh", dir, RealNode, link.node.String(), c.program, runtime, pause,
	}
	if err := c.spawn("node", exec.Command("nsenter", append(args, images...)...)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	err = c.until(ctx, "the real node is ready", func() (bool, error) {
		node, err := c.Client.CoreV1().Nodes().Get(ctx, RealNode, metav1.GetOptions{})
		if err != nil {
			return false, nil // it is not there yet
		}
		for _, cond := range node.Status.Conditions {
			if cond.Type == corev1.NodeReady {
				return cond.Status == corev1.ConditionTrue, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("%w%s%s", err, c.logs(), tails(dir))
	}
	return nil
}

// turnTime is how long the machine's other real nodes, of other test runs, are waited for.
const turnTime = 5 * time.Minute

// takeTurn waits until no other real node is on the machine, and holds the place until the cluster stops.
func (c *Cluster) takeTurn(ctx context.Context) error {
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "atoll-kube-node.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	err = c.until(ctx, "no other real node is on this machine", func() (bool, error) {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		_ = lock.Close()
		return err
	}
	c.cleanups = append(c.cleanups, func() { _ = lock.Close() })
	return nil
}

// network makes the node's network namespace with a link to it. What a killed test left is removed first.
func (c *Cluster) network() error {
	removeNetwork()
	for _, args := range [][]string{
		{"netns", "add", netns},
		{"link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", netns},
		{"addr", "add", link.host.String() + "/30", "dev", veth},
		{"link", "set", veth, "up"},
		{"-n", netns, "link", "set", "lo", "up"},
		{"-n", netns, "addr", "add", link.node.String() + "/30", "dev", "eth0"},
		{"-n", netns, "link", "set", "eth0", "up"},
		{"-n", netns, "route", "add", "default", "via", link.host.String()},
		{"route", "add", link.pods, "via", link.node.String()},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	// Not by `ip netns exec`, which hides the cgroups.
	out, err := exec.Command("nsenter", "--net=/run/netns/"+netns, "sysctl", "-qw", "net.ipv4.ip_forward=1").CombinedOutput()
	if err != nil {
		return fmt.Errorf("sysctl: %w: %s", err, out)
	}
	c.cleanups = append(c.cleanups, removeNetwork, func() { removeCgroup(netns) })
	return nil
}

func removeNetwork() {
	_ = exec.Command("ip", "link", "del", veth).Run() // with its routes; it may not be there
	_ = exec.Command("ip", "netns", "del", netns).Run()
}

// forward lets the node reach the API server, which listens on loopback, at the machine's end of the link.
func (c *Cluster) forward() error {
	l, err := net.Listen("tcp", net.JoinHostPort(link.host.String(), c.port))
	if err != nil {
		return err
	}
	c.cleanups = append(c.cleanups, func() { _ = l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = from.Close() }()
				to, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", c.port))
				if err != nil {
					return
				}
				go func() {
					_, _ = io.Copy(to, from) // either side's end is the other's
					_ = to.Close()
				}()
				_, _ = io.Copy(from, to)
			}()
		}
	}()
	return nil
}

// The files of cgroups of both versions.
const (
	cgroups     = "/sys/fs/cgroup"
	controllers = "cgroup.controllers"
)

// cgroup makes the group below which the node's pods are, and returns what the kubelet must be told of the version.
func cgroup(name string) (kubelet string, err error) {
	if _, err := os.Stat(filepath.Join(cgroups, controllers)); err == nil {
		available, err := os.ReadFile(filepath.Join(cgroups, controllers))
		if err != nil {
			return "", err
		}
		for c := range strings.FieldsSeq(string(available)) {
			if err := os.WriteFile(filepath.Join(cgroups, "cgroup.subtree_control"), []byte("+"+c), 0); err != nil {
				return "", err
			}
		}
		return "", mkdir(filepath.Join(cgroups, name))
	}
	for _, c := range []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"} {
		if err := mkdir(filepath.Join(cgroups, c, name)); err != nil {
			return "", err
		}
	}
	for _, f := range []string{"cpuset.cpus", "cpuset.mems"} { // a new group has none, and no process could be in it
		all, err := os.ReadFile(filepath.Join(cgroups, "cpuset", f))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(cgroups, "cpuset", name, f), all, 0); err != nil {
			return "", err
		}
	}
	return "failCgroupV1: false\n", nil
}

func mkdir(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// removeCgroup removes a group with those below it, of which the processes have just been killed.
func removeCgroup(name string) {
	deadline := time.Now().Add(10 * time.Second)
	for {
		roots, _ := filepath.Glob(filepath.Join(cgroups, "*", name))
		if dir := filepath.Join(cgroups, name); exists(dir) {
			roots = append(roots, dir)
		}
		if len(roots) == 0 || time.Now().After(deadline) {
			return
		}
		for _, root := range roots {
			var dirs []string
			_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					dirs = append(dirs, p)
				}
				return nil // it may be going
			})
			for i := range dirs {
				_ = os.Remove(dirs[len(dirs)-1-i]) // those with processes stay for the next round
			}
		}
		<-time.After(20 * time.Millisecond) // the kernel tells nobody
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// nodeFiles writes the configuration of the kubelet, of containerd and of the pods' network.
func (c *Cluster) nodeFiles(dir, runtime, kubelet string) error {
	config, err := c.ca.kubeconfig("node", "https://"+net.JoinHostPort(link.host.String(), c.port))
	if err != nil {
		return err
	}
	body, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "net.d"), 0o755); err != nil {
		return err
	}
	r := strings.NewReplacer("DIR", dir, "RUNTIME", runtime, "NAME", netns, "PODS", link.pods, "CA", c.ca.path("ca.crt"), "PAUSE", pauseImage)
	for file, text := range map[string]string{
		"kubeconfig": string(body), "kubelet.yaml": r.Replace(kubeletConfig) + kubelet,
		"containerd.toml": r.Replace(containerdConfig), "net.d/10-test.conflist": r.Replace(networkConfig),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failSwapOn: false
cgroupDriver: cgroupfs
cgroupRoot: /NAME
enforceNodeAllocatable: [pods]
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
oomScoreAdj: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: CA}}
authorization: {mode: AlwaysAllow}
resolvConf: ""
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
volumePluginDir: /var/lib/kubelet/volume-plugins
podLogsDir: /var/log/pods
nodeStatusUpdateFrequency: 5s
`

const containerdConfig = `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs", "io.containerd.differ.v1.erofs"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "PAUSE"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["RUNTIME"]
    conf_dir = "DIR/net.d"
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        BinaryName = "RUNTIME/runc"
        SystemdCgroup = false
`

const networkConfig = `{"cniVersion": "1.0.0", "name": "test", "plugins": [
 {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "PODS"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
`

// tails returns the ends of the logs in a folder.
func tails(dir string) string {
	var text bytes.Buffer
	logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, f := range logs {
		if body, err := os.ReadFile(f); err == nil {
			fmt.Fprintf(&text, "\n-- %s\n%s", filepath.Base(f), body[max(0, len(body)-4000):])
		}
	}
	return text.String()
}
