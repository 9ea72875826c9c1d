package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is a running control plane. It has no nodes of its own.
type Cluster struct {
	Config     *rest.Config // of an administrator
	Client     kubernetes.Interface
	Kubeconfig string // the same, as a file

	dir       string
	program   string
	ca        *authority
	port      string
	processes []*process
	cleanups  []func() // after the processes have ended

	workers sync.WaitGroup // of fake nodes
	stop    context.CancelFunc
	ctx     context.Context
}

// startTime is how long a control plane may take; it takes three seconds on two idle cores.
const startTime = 90 * time.Second

// Start starts a control plane, on ports that are free, and returns when it answers and makes service accounts.
func Start(log io.Writer) (*Cluster, error) {
	dir, err := Components(log)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ { // the ports are chosen before they are taken
		c, err := start(filepath.Join(dir, "kube"))
		if err == nil || try == 3 {
			return c, err
		}
	}
}

func start(program string) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "atoll-kube-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, program: program}
	c.ctx, c.stop = context.WithCancel(context.Background())
	if err := c.run(); err != nil {
		err = fmt.Errorf("start Kubernetes: %w%s", err, c.logs())
		c.Stop()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) run() error {
	if err := c.certificates(); err != nil {
		return err
	}
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	etcd, peer := "http://127.0.0.1:"+ports[0], "http://127.0.0.1:"+ports[1]
	c.port = ports[2]
	var config string
	if config, err = c.ca.kubeconfig("admin", "https://127.0.0.1:"+c.port); err != nil {
		return err
	}
	c.Kubeconfig = config
	if c.Config, err = clientcmd.BuildConfigFromFlags("", config); err != nil {
		return err
	}
	c.Config.QPS, c.Config.Burst = 500, 1000
	if c.Client, err = kubernetes.NewForConfig(c.Config); err != nil {
		return err
	}
	if err := c.start("etcd", "--data-dir", filepath.Join(c.dir, "etcd"), "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer,
		"--unsafe-no-fsync", "--log-level", "warn"); err != nil {
		return err
	}
	if err := c.start("kube-apiserver", c.apiserverFlags(etcd)...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, startTime)
	defer cancel()
	if err := c.until(ctx, "the API server is ready", func() (bool, error) {
		_, err := c.Client.CoreV1().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err == nil, nil
	}); err != nil {
		return err
	}
	quick := []string{"--kubeconfig", config, "--leader-elect=false", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000"}
	if err := c.start("kube-controller-manager", append(quick, "--use-service-account-credentials",
		"--service-account-private-key-file", c.ca.path("accounts.key"), "--root-ca-file", c.ca.path("ca.crt"),
		"--cluster-signing-cert-file", c.ca.path("ca.crt"), "--cluster-signing-key-file", c.ca.path("ca.key"),
		"--flex-volume-plugin-dir", filepath.Join(c.dir, "flex"))...); err != nil {
		return err
	}
	if err := c.start("kube-scheduler", quick...); err != nil {
		return err
	}
	return c.until(ctx, "service accounts are made", func() (bool, error) {
		_, err := c.Client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			err = nil
			return false, err
		}
		return err == nil, err
	})
}

func (c *Cluster) certificates() error {
	pki := filepath.Join(c.dir, "pki")
	if err := os.Mkdir(pki, 0o700); err != nil {
		return err
	}
	var err error
	if c.ca, err = newAuthority(pki); err != nil {
		return err
	}
	return errors.Join(
		c.ca.server("apiserver", net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1), link.host),
		c.ca.client("admin", "admin", "system:masters"),
		c.ca.client("kubelet", "kube-apiserver", "system:masters"), // the API server, to kubelets
		c.ca.client("node", "system:node:"+RealNode, "system:nodes"),
		c.ca.client("accounts", "service-accounts", ""), // only its keys are used
	)
}

func (c *Cluster) apiserverFlags(etcd string) []string {
	return []string{
		"--etcd-servers", etcd, "--bind-address=127.0.0.1", "--secure-port", c.port,
		"--tls-cert-file", c.ca.path("apiserver.crt"), "--tls-private-key-file", c.ca.path("apiserver.key"),
		"--client-ca-file", c.ca.path("ca.crt"), "--requestheader-client-ca-file", c.ca.path("ca.crt"),
		"--requestheader-allowed-names=front-proxy", "--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file", c.ca.path("accounts.pub"),
		"--service-account-signing-key-file", c.ca.path("accounts.key"), "--service-cluster-ip-range=10.96.0.0/16",
		"--authorization-mode=Node,RBAC", "--allow-privileged", "--endpoint-reconciler-type=none", "--profiling=false",
		"--kubelet-client-certificate", c.ca.path("kubelet.crt"), "--kubelet-client-key", c.ca.path("kubelet.key"),
		"--kubelet-preferred-address-types=InternalIP", "--cert-dir", filepath.Join(c.dir, "certs"),
	}
}

// Stop ends everything and removes its folder.
func (c *Cluster) Stop() {
	c.stop()
	c.workers.Wait()
	for _, p := range c.processes {
		p.kill()
	}
	for _, clean := range slices.Backward(c.cleanups) {
		clean()
	}
	_ = os.RemoveAll(c.dir)
}

// until waits for a state, and gives up at once if a part of the control plane has died.
func (c *Cluster) until(ctx context.Context, what string, done func() (bool, error)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		for _, p := range c.processes {
			select {
			case <-p.done:
				return fmt.Errorf("%s has ended", p.name)
			default:
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

func (c *Cluster) start(part string, flags ...string) error {
	return c.spawn(part, exec.Command(c.program, append([]string{part}, flags...)...))
}

// process is a child that does not outlive the test.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

func (c *Cluster) spawn(name string, cmd *exec.Cmd) error {
	p := &process{name: name, log: filepath.Join(c.dir, name+".log"), cmd: cmd, done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.processes = append(c.processes, p)
	go func() {
		_ = cmd.Wait() // its log says why it ended
		close(p.done)
	}()
	return nil
}

func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// logs returns the ends of all logs.
func (c *Cluster) logs() (text string) {
	for _, p := range c.processes {
		body, err := os.ReadFile(p.log)
		if err == nil && len(body) > 0 {
			text += fmt.Sprintf("\n-- %s\n%s", p.name, body[max(0, len(body)-4000):])
		}
	}
	return text
}

func freePorts(n int) (ports []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all at the end, so that they differ
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}
