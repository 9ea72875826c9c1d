package saltest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"atoll/internal/cloud"
	"atoll/internal/sal"
)

// victim starts a command of another user that holds a secret in its environment,
// and returns its process number. stop ends it and says whether it was still there.
func (p *processes) victim(user string) (pid string, stop func() bool) {
	p.Helper()
	ctx, cancel := context.WithCancel(p.Context())
	out := newBuffer()
	ended := make(chan sal.Exit, 1)
	cmd := p.named(sal.Command{
		Argv: []string{"sh", "-c", "echo $$; exec sleep 600"}, Env: []string{"SECRET=LEAK"}, RunAs: user, Output: out,
	})
	go func() {
		exit, err := p.env.Processes.Run(ctx, cmd)
		if err != nil {
			p.Errorf("Run() = %v", err)
		}
		ended <- exit
	}()
	select {
	case <-out.wrote:
	case exit := <-ended:
		p.Fatalf("the victim ended with %+v", exit)
	}
	return strings.TrimSpace(out.String()), func() bool { cancel(); return (<-ended).Killed }
}

// projectAndOthers has a project's command attack another project's and root's.
func (p *processes) projectAndOthers() {
	for _, victim := range []string{p.env.Other, cloud.RunAsRoot} {
		pid, stop := p.victim(victim)
		_, out := p.sh(p.env.User, strings.ReplaceAll(`
kill -9 PID && echo LEAK killed
ls /proc/PID && echo LEAK listed
cat /proc/PID/environ /proc/PID/cmdline && echo LEAK read
ls /proc/PID/root/ /proc/PID/cwd/ /proc/PID/fd && echo LEAK entered
perl -e 'exit(syscall(101, 16, PID, 0, 0) == 0 ? 0 : 1)' && echo LEAK traced
perl -e 'exit(syscall(101, 0x4206, PID, 0, 0) == 0 ? 0 : 1)' && echo LEAK seized
renice 19 PID && echo LEAK reniced
nsenter -t PID -m true && echo LEAK entered
exit 0`, "PID", pid))
		if strings.Contains(out, "LEAK") {
			p.Errorf("a project's command reached one of %s: %s", victim, out)
		}
		if !stop() {
			p.Errorf("the command of %s was ended by another project's", victim)
		}
	}
	// The attacks work on what is one's own: a command that fails for another reason proves nothing.
	_, out := p.sh(p.env.User, `sleep 600 & cat /proc/$!/cmdline; kill -9 $! && echo killed
perl -e 'if (!($p = fork)) { sleep 600 } exit(syscall(101, 16, $p, 0, 0) == 0 ? 0 : 1)' && echo traced`)
	for _, done := range []string{"sleep", "killed", "traced"} {
		if !strings.Contains(out, done) {
			p.Errorf("a project's command cannot do it to its own: %s", out)
		}
	}
}

// projectLeavesCgroup tries to get out of the job's limits and of its end.
func (p *processes) projectLeavesCgroup() {
	exit, out := p.sh(p.env.User, `
cat /proc/self/cgroup > before
for f in $(find /sys/fs/cgroup -name cgroup.procs -o -name tasks 2>/dev/null | head -n 200); do
	echo $$ 2>/dev/null > $f && echo LEAK $f
done
for d in $(find /sys/fs/cgroup -type d 2>/dev/null | head -n 200); do
	mkdir $d/atoll-escape 2>/dev/null && echo LEAK $d
done
unshare -UrmC sh -c 'mkdir /tmp/cg && mount -t cgroup2 none /tmp/cg && echo $$ > /tmp/cg/cgroup.procs' 2>/dev/null && echo LEAK own hierarchy
cat /proc/self/cgroup > after
cmp before after || echo LEAK moved
systemd-run --wait true 2>/dev/null && echo LEAK systemd
echo 'echo x > /tmp/cron' | at now 2>/dev/null && echo LEAK at
echo '* * * * * true' | crontab - 2>/dev/null && echo LEAK cron
exit 0`)
	if exit.Code != 0 || strings.Contains(out, "LEAK") {
		p.Errorf("%+v, left its cgroup: %s", exit, out)
	}
}

// projectUncovers tries to see what was hidden from it with the rights of a user
// namespace, which every user may make.
func (p *processes) projectUncovers() {
	dir := filepath.Dir(p.env.Secret)
	script := fmt.Sprintf(`
try() { unshare -Urm sh -c "$1" 2>/dev/null | grep -q LEAK && echo "LEAK by $1"; }
echo LEAK > mine; cat %[1]s
try "umount -l %[2]s; cat %[1]s"
try "umount %[2]s; umount %[2]s; cat %[1]s"
try "mkdir -p /tmp/r && mount --bind / /tmp/r; cat /tmp/r%[1]s"
try "mkdir -p /tmp/r && mount --rbind / /tmp/r; umount -l /tmp/r%[2]s; cat /tmp/r%[1]s"
try "mount --move %[2]s /mnt; cat %[1]s"
try "mount -o remount,rw /; echo LEAK > /etc/atoll-test; cat /etc/atoll-test"
try "mkdir -p /tmp/p && mount -t proc proc /tmp/p; ls /tmp/p/1/root && echo LEAK"
unshare -Urm true && unshare -Urm cat mine && echo can
exit 0`, p.env.Secret, dir)
	_, out := p.sh(p.env.User, script)
	if strings.Contains(out, "LEAK by") || strings.Count(out, "LEAK") > 1 { // its own is one
		p.Errorf("what is hidden was seen: %s", out)
	}
	if !strings.Contains(out, "can\n") && !strings.Contains(out, "Operation not permitted") && !strings.Contains(out, "unshare") {
		p.Errorf("user namespaces were not tried: %s", out)
	}
	if _, err := os.Lstat("/etc/atoll-test"); err == nil {
		p.Error("a project's command wrote to /etc")
	}
}

// projectShares leaves something where the next command of another project looks.
func (p *processes) projectShares() {
	const places = "/tmp /var/tmp /dev/shm"
	p.sh(p.env.User, `for d in `+places+`; do echo LEAK > $d/left; done; perl -e 'syscall(68, 4242, 01000 | 0666)'; true`)
	_, out := p.sh(p.env.Other, `for d in `+places+`; do cat $d/left; done 2>/dev/null; ipcs -q 2>/dev/null | grep -q '^0x' && echo LEAK queue; true`)
	if strings.Contains(out, "LEAK") {
		p.Errorf("another project found %s", out)
	}
	for dir := range strings.FieldsSeq(places) {
		if _, err := os.Lstat(dir + "/left"); err == nil {
			p.Errorf("%s/left is on the host", dir)
		}
	}
	// A name in a home folder that leads elsewhere gives nothing of the target away.
	p.sh(p.env.User, "ln -sfn "+p.env.Secret+" ~/link; ln -sfn / ~/root; chmod 777 ~")
	_, home := p.sh(p.env.User, "echo ~")
	if _, out := p.sh(p.env.User, "cat ~/link ~/root"+p.env.Secret); strings.Contains(out, "LEAK") {
		p.Errorf("a link leads to the secret: %s", out)
	}
	for _, name := range []string{"link", "root"} {
		_, err := p.env.Processes.Run(p.Context(), p.named(sal.Command{
			Argv: []string{"cat", filepath.Base(p.env.Secret)}, Dir: filepath.Join(strings.TrimSpace(home), name), RunAs: p.env.Other,
		}))
		if err == nil {
			p.Errorf("another project's command ran in %s of a home folder", name)
		}
	}
	p.sh(p.env.User, "rm ~/link ~/root")
}
